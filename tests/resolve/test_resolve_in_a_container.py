"""A reader in a network namespace of its own, who is given the host's /proc: the interfaces are the host's."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from testkit.real.needs import need_devices, skip

CODE = """
import json, sys
from vmiostat import Host
host = Host(proc=sys.argv[1], xml=sys.argv[2])
with host.poller() as poller:
    (row,) = poller.poll().interface
    (nic,) = host.domain("web1").interfaces
    print(json.dumps([nic.counter_source.namespace, row.state, row.rx_packets + row.tx_packets, nic.reason]))
"""


def test_a_definition_without_a_pid_means_the_interfaces_of_the_host(tmp_path: Path) -> None:
    need_devices()
    # The link /proc/1/ns/net may be closed; the file has an inode of its own in each namespace.
    if Path("/proc/1/net/dev").stat().st_ino != Path("/proc/net/dev").stat().st_ino:
        skip("process 1 is in another network namespace")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))
    (tmp_path / "proc").mkdir()
    nic = "<interface type='ethernet'><target dev='lo' managed='no'/></interface>"
    (tmp_path / "web1.xml").write_text(f"<domain type='kvm' id='1'><name>web1</name><devices>{nic}</devices></domain>")
    inside = (
        f"mount -t proc proc {tmp_path}/proc && exec {sys.executable} -c '{CODE}' {tmp_path}/proc {tmp_path}/web1.xml"
    )
    done = subprocess.run(["unshare", "-n", "-m", "sh", "-c", inside.replace('"web1"', '"web1"')],
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.stderr == ""
    namespace, state, packets, reason = json.loads(done.stdout)
    assert (namespace, state, reason) == ("/proc/1/ns/net", "ok", "")
    assert packets > 0
