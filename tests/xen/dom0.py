"""What tests ask dom0 for: Xen's own tools, the guests, and the kernel's files as they are."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.xen.dom0_files import console

BACKENDS = Path("/sys/bus/xen-backend/devices")
VBD_FILES = ("rd_req", "rd_sect", "wr_req", "wr_sect", "oo_req", "f_req", "ds_req")


def is_here() -> bool:
    """Whether this machine is the lab's dom0."""
    return os.environ.get("VMIOSTAT_XEN") == "1" and Path("/proc/xen/capabilities").exists()


def run(*words: object) -> str:
    """Runs a program; what it printed. Fails with what it said."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))} failed ({done.returncode}): {done.stderr or done.stdout}"
    return done.stdout


def xl(*words: object) -> str:
    return run("xl", *words)


def virsh(*words: object) -> str:
    return run("virsh", "-q", "-c", "xen:///system", *words)


def guest(name: str, command: str) -> str:
    """Runs a shell command of one line in a guest; what it printed."""
    return console.run(name, command)


def wait_for_guest(name: str) -> None:
    """Waits until a guest that starts takes commands."""
    console.wait_until_ready(name)


def domid(name: str) -> int:
    return int(xl("domid", name))


def vbd(domid: int, devid: int) -> dict[str, int]:
    """The kernel's counters of a disk, by their files' names."""
    folder = BACKENDS / f"vbd-{domid}-{devid}/statistics"
    return {name: int((folder / name).read_text()) for name in VBD_FILES}


def query_blockstats(domid: int) -> list[dict[str, Any]]:
    """What the QEMU that serves disks to a guest says of them, over its socket for statistics."""
    with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("rw") as lines:
        monitor.settimeout(10)
        monitor.connect(f"/run/xen/qmp-libxenstat-{domid}")
        answer: dict[str, Any] = {}
        for command in ("qmp_capabilities", "query-blockstats"):
            lines.write(json.dumps({"execute": command}) + "\n")
            lines.flush()
            while "return" not in (answer := json.loads(lines.readline())):
                assert "error" not in answer, answer
        devices: list[dict[str, Any]] = answer["return"]
        return devices


def vif(name: str) -> dict[str, int]:
    """The kernel's counters of an interface, in the host's view, by their files' names."""
    return {file.name: int(file.read_text()) for file in Path(f"/sys/class/net/{name}/statistics").iterdir()}


def wait(what: Callable[[], object], within: float = 60) -> None:
    """Waits until it is so."""
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, f"it has not come within {within} s"
        time.sleep(0.05)


def rename(old: str, new: str) -> None:
    """Gives an interface another name: it has to be down for that."""
    run("ip", "link", "set", old, "down")
    run("ip", "link", "set", old, "name", new)
    run("ip", "link", "set", new, "up")


@contextmanager
def pings_ignored() -> Iterator[None]:
    """What guests ask of dom0 is not answered."""
    switch = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text("0")


def quiet() -> None:
    """Waits until no counter of any backend moves."""

    def counters() -> list[bytes]:
        files = [*BACKENDS.glob("vbd-*/statistics/*"), *BACKENDS.glob("vif-*/net/*/statistics/*")]
        return [file.read_bytes() for file in files]

    before = counters()
    for _ in range(50):
        time.sleep(0.3)
        now = counters()
        if now == before:
            return
        before = now
    raise AssertionError("the guests were to be quiet")


def xentop() -> dict[tuple[str, str], dict[str, int]]:
    """What xentop says of the guests' devices in the kernel: (guest, "vbd 51712" or "net 0"), and its columns.

    What it calls Unidentified are QEMU's disks, some twice and some under another one's number.
    """
    said: dict[tuple[str, str], dict[str, int]] = {}
    name = ""
    for line in run("xentop", "-b", "-f", "-i", "1", "-x", "-n").splitlines():
        if found := re.match(r"VBD BlkBack +(\d+) ", line):
            numbers = re.findall(r"(\w+): *(\d+) ", line.rpartition("]")[2] + " ")
            said[name, f"vbd {found[1]}"] = {column: int(number) for column, number in numbers}
        elif found := re.match(r"Net(\d+) RX: *(\d+)bytes *(\d+)pkts.*TX: *(\d+)bytes *(\d+)pkts", line):
            columns = ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")
            said[name, f"net {found[1]}"] = dict(zip(columns, map(int, found.groups()[1:]), strict=True))
        elif words := line.split():
            name = name if words[0] == "VBD" else words[0]
    return said
