"""A reader in a network namespace of its own, who is given the host's /proc: the interfaces are the host's."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testkit.real.needs import need_devices, skip

ROWS = """
import json, sys
from vmiostat import Host
host = Host(proc=sys.argv[1], xml=sys.argv[2])
with host.poller(host=sys.argv[3] == "host") as poller:
    rows = [[row.state, row.rx_packets + row.tx_packets] for row in poller.poll().interface]
    (domain,) = host.domains(host=sys.argv[3] == "host")
    print(json.dumps([[nic.target, nic.counter_source.namespace, *row, nic.reason]
                      for nic, row in zip(domain.interfaces, rows, strict=True)]))
"""


@pytest.fixture(autouse=True)
def host() -> None:
    need_devices()
    # The link /proc/1/ns/net may be closed; the file has an inode of its own in each namespace.
    if Path("/proc/1/net/dev").stat().st_ino != Path("/proc/net/dev").stat().st_ino:
        skip("process 1 is in another network namespace")


def interfaces(folder: Path, which: str) -> list[Any]:
    """What a container sees of the only domain's interfaces: names, namespaces, states, packets, reasons."""
    (folder / "proc").mkdir()
    inside = ["mount -t proc proc proc && exec", sys.executable, "-c", f"'{ROWS}'", "proc . ", which]
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", " ".join(inside)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return list(json.loads(done.stdout))


def test_a_definition_without_a_pid_means_the_interfaces_of_the_host(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))
    nic = "<interface type='ethernet'><target dev='lo' managed='no'/></interface>"
    (tmp_path / "web1.xml").write_text(f"<domain type='kvm' id='1'><name>web1</name><devices>{nic}</devices></domain>")
    ((target, namespace, state, packets, reason),) = interfaces(tmp_path, "web1")
    assert (target, namespace, state, reason) == ("lo", "/proc/1/ns/net", "ok", "")
    assert packets > 0


def names() -> set[str]:
    return {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}


def test_the_host_has_the_interfaces_of_the_host(tmp_path: Path) -> None:
    before = names()
    found = {target: (namespace, state) for target, namespace, state, _, _ in interfaces(tmp_path, "host")}
    stayed = before & names()  # other tests' interfaces come and go
    assert len(stayed) > 1, "the container has lo alone"
    assert {name: found.get(name) for name in stayed} == dict.fromkeys(stayed, ("/proc/1/ns/net", "ok"))
