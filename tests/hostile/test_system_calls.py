"""Opens and connects of root's processes while unprivileged users name paths to it: O_PATH, and their own sockets."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testkit.real.flood import VMMS, flood
from testkit.real.needs import need_program, skip
from testkit.until import until
from tests.hostile.conftest import STRANGERS
from tests.hostile.test_unprivileged_user import NOBODY, qemu, started

CALLS = "open,openat,openat2,connect,execve"
TAPDISK = "/dev/shm/td3-999999999"


@pytest.fixture
def strangers(everybodys: Path) -> Iterator[Path]:
    """A folder of the unprivileged user's."""
    folder = everybodys / "strangers"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    Path(TAPDISK).unlink(missing_ok=True)


@pytest.fixture
def attackers(strangers: Path) -> Iterator[list[str]]:
    """What they name: prefixes of paths. Their QEMUs are real, and what is at a path has changed since they started."""
    (strangers / "disk").write_bytes(bytes(1 << 20))
    os.chown(strangers / "disk", NOBODY, NOBODY)
    os.mkfifo(strangers / "fifo")
    Path(TAPDISK).symlink_to(strangers)
    os.mkfifo(strangers / "vbd-5-51712")
    with ExitStack() as running:
        for name in ("honest", "replaced", "moved"):
            folder = strangers / name
            folder.mkdir()
            os.chown(folder, NOBODY, NOBODY)
            words = ["-machine", "pc", "-name", name, "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
            words += ["-drive", f"file={strangers}/disk,format=raw,if=none,id=disk0,file.locking=off"]
            words += ["-device", "virtio-blk-pci,drive=disk0", "-fw_cfg", f"name=opt/a,string=file={strangers}/fifo"]
            running.enter_context(qemu(*words))
            until((folder / "qmp").exists, 60)
        (strangers / "replaced/qmp").unlink()
        os.mkfifo(strangers / "replaced/qmp")
        (strangers / "moved").rename(strangers / "elsewhere")
        (strangers / "moved").symlink_to(strangers / "fifo")
        script = strangers / "qemu-system-x86_64"
        script.write_text("#!/bin/sh\nread line\n")
        script.chmod(0o755)
        words = ["-qmp", f"unix:{strangers}/fifo,server=on", "-drive", f"file={strangers}/fifo", "-name", "unverified"]
        running.enter_context(started(script, *words))
        running.enter_context(started("/bin/cat", *words, name="qemu-system-x86_64"))
        yield [str(strangers), TAPDISK, "/dev/watchdog"]


def traced(folder: Path, *options: str) -> tuple[list[str], str]:
    """The calls of the command and of its helpers, and what it printed."""
    folder.mkdir()
    trace = ["strace", "-ff", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(folder / "log")]
    command = [*trace, sys.executable, "-I", "-m", "vmiostat", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if "ptrace" in done.stderr:
        skip("may not trace")
    assert done.returncode == 0, done.stderr
    return [line for log in folder.iterdir() for line in log.read_text().splitlines()], done.stdout


def test_root_opens_no_file_that_a_command_line_names(tmp_path: Path) -> None:
    """Opening the node of a watchdog would start it. Here its place is taken by a FIFO."""
    need_program("strace")
    named = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    named[0].mkdir()
    os.mkfifo(named[1])
    named[2].write_text("x")
    words = [f"string={path}/x" for path in named]
    options = [word for text in words for word in ("-fw_cfg", f"name=opt/{len(text)}{text[-3]},{text}")]
    qmp = ["-name", f"a,process=-qmp unix:{named[1]}/x"]
    with qemu(*options, *qmp) as pid:
        program = "import vmiostat; host = vmiostat.Host(); poller = host.poller(qemu_interval='on demand'); "
        program += "poller.query(5.0); print([d.process.pid for d in poller.domains if d.process])"
        log = tmp_path / "strace"
        command = ["strace", "-f", "-y", "-qq", "-e", "trace=open,openat,openat2", "-o", str(log), sys.executable, "-c"]
        done = subprocess.run([*command, program], capture_output=True, text=True, timeout=60, check=False)
        if "ptrace" in done.stderr:
            skip("may not trace")
        assert str(pid) in done.stdout, done.stderr
    opened = [line for line in log.read_text().splitlines() if any(str(path) in line for path in named)]
    assert [line for line in opened if "O_PATH" not in line] == []


def test_only_o_path_opens_what_a_stranger_names(attackers: list[str], tmp_path: Path) -> None:
    need_program("strace")
    backend = tmp_path / "sys/bus/xen-backend/devices/vbd3-5-51712"
    backend.mkdir(parents=True)
    calls, said = traced(tmp_path / "reports", "-y", "--json", "--qemu-interval", "0.2", "0.5", "4")
    disks = [row for line in said.splitlines() for row in json.loads(line)["block"] if row["device"] == "disk0"]
    states = {(row["domain"], row["state"]) for row in disks}
    assert ("honest", "ok") in states, said
    assert {"replaced", "moved"} <= {domain for domain, _ in states}
    assert not {("replaced", "ok"), ("moved", "ok")} & states
    for options in ((), ("--sys", str(tmp_path / "sys"))):
        more, _ = traced(tmp_path / f"devices{len(options)}", "devices", *options)
        calls += more
    opens = [line for line in calls if line.startswith("open") and any(prefix in line for prefix in attackers)]
    for prefix in attackers[:2]:
        assert any(prefix in line for line in opens), f"nothing looked at {prefix}"
    assert [line for line in opens if "O_PATH" not in line] == []
    connects = [line for line in calls if line.startswith("connect") and "AF_UNIX" in line]
    assert any('sun_path="/proc/self/fd/' in line for line in connects)
    assert [line for line in connects if any(prefix in line for prefix in attackers)] == []
    assert [line for line in calls if line.startswith("execve") and any(prefix in line for prefix in attackers)] == []


USERS = "setuid,setreuid,setresuid,clone,clone3,fork,vfork"
BECOMES = re.compile(r'set(?:re|res)?uid\((?!0)[0-9]+.* = 0$|execve\("[a-z/]*/rm", .* = 0$')
MAKES = re.compile(r"(?:clone3?|v?fork)\(.* = ([0-9]+)$")


def calls_of_root(logs: Path) -> Iterator[str]:
    """The calls of each process until it is another user's or rm, without those of the processes that it makes then."""
    processes = {int(log.suffix[1:]): log.read_text().splitlines() for log in logs.iterdir()}
    strangers: set[int] = set()
    for pid, calls in sorted(processes.items()):
        own = len(calls) if pid not in strangers else 0
        own = next((number for number, call in enumerate(calls[:own]) if BECOMES.search(call)), own)
        strangers |= {int(made[1]) for call in calls[own:] if (made := MAKES.match(call))}
        yield from calls[:own]


@pytest.mark.slow
@pytest.mark.alone
def test_only_o_path_opens_a_stranger_s_file_in_any_attack(everybodys: Path, tmp_path: Path) -> None:
    """All other attacks of this folder, traced. What tests write into a stranger's folder is not read."""
    need_program("strace")
    folder, logs = Path(__file__).parent, tmp_path / "logs"
    logs.mkdir()
    trace = ["strace", "-ff", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-e", f"trace={CALLS},{USERS}"]
    command = [*trace, "-o", str(logs / "of"), sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--ignore", __file__, "--ignore", str(folder / "test_floods.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=folder.parents[1])
    if "ptrace" in done.stderr:
        skip("may not trace")
    assert done.returncode == 0, done.stdout
    with flood(everybodys):
        beside, _ = traced(tmp_path / "floods", "--json", "--vmm", *VMMS, "--qemu-interval", "1", "1", "8")
    calls = [*calls_of_root(logs), *beside]
    opens = [call for call in calls if call.startswith("open") and re.search(rf"{STRANGERS}\w+/", call)]
    read = [call for call in opens if not re.search("O_WRONLY|O_RDWR|O_CREAT", call)]
    # On a busy machine no scan among the floods may end while they are traced.
    assert any("O_PATH" in call for call in read), "no attack named a path"
    assert [call for call in read if "O_PATH" not in call] == []
