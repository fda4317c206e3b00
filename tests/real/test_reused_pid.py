"""A row never shows another process that has got the pid of its own, in a PID namespace of the test."""

import subprocess
import sys

from testkit.real.needs import need_devices, skip

PROGRAM = """
import subprocess, time
from pathlib import Path
from vmiostat import Domain, Poller, Roots
from vmiostat.counter_sources import ProcessIo
from vmiostat.discovery.running_process import running_process
from vmiostat.resolve.total import resolve_total

roots = Roots()

def started():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return child, running_process(child.pid, roots)

def ended(child):
    child.stdin.close()
    child.wait()

def state(poller):
    row = poller.poll().block[0]
    return row.state, row.generation, row.wr_bytes >= 0

first, process = started()
source = ProcessIo(process.pid, process.started)
rows = lambda source: [("vm", "total", source, "total")]
poller = Poller(roots, rows(source), [])
anyone = Poller(roots, rows(ProcessIo(process.pid)), [])
assert state(poller) == state(anyone) == ("ok", 0, True)
ended(first)
assert state(poller) == state(anyone) == ("gone", 0, False)
time.sleep(0.1)  # the clock of start times has ticks of a hundredth of a second

for _ in range(20):  # other processes of the namespace may take the number
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(process.pid - 1))
    second, reused = started()
    if reused.pid == process.pid:
        break
    ended(second)
assert reused.pid == process.pid and reused.started != process.started, (process, reused)

assert state(poller) == ("gone", 0, False)
poller.reopen()
assert state(poller) == ("gone", 0, False)
poller.replan(rows(source), [], [0], [])
assert state(poller) == ("gone", 0, False)
late = Poller(roots, rows(source), [])
assert state(late) == ("gone", -1, False)
assert "another" in str(late.problem("block", 0)), late.problem("block", 0)

domain = Domain("vm", type="kvm", process=process)
found = resolve_total(domain, roots)
assert found.counter_source is None and "has ended" in found.reason, found
found = resolve_total(Domain("vm", type="kvm", process=reused), roots)
assert found.counter_source == ProcessIo(reused.pid, reused.started) or "cgroup" in str(found.counter_source), found

# A row without a start time is whichever process has the pid, and says that it is another one.
assert anyone.reopen() == 1
assert state(anyone) == ("ok", 1, True)
ended(second)
print("all held")
"""


def test_a_reused_pid_gives_no_number_of_another_process() -> None:
    need_devices()
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "unshare" in done.stderr:
        skip(f"may not make namespaces: {done.stderr.strip()}")
    assert done.stdout == "all held\n", done.stderr
