"""Virtual machines that no libvirt manages: processes that call themselves a VMM, with real taps and a real disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program, skip
from testkit.real.own_number import OWN_NUMBER
from testkit.real.plain_qemu import QEMU
from testkit.targets import targets
from testkit.until import until
from vmiostat import Domain, Host
from vmiostat.counter_sources import BlockDevice, NetDevice

TAP = "from testkit.real.devices import Tap; tap = Tap({!r}); "
ELSEWHERE = "import ctypes; assert ctypes.CDLL(None).unshare(0x40000000) == 0; "
SEND = "tap.guest_sends(5, 100); "
DISK = "disk = open({!r}, 'r+b', 0); "
ROOT = Path(__file__).parents[2]
VMMS = [os.path.realpath(sys.executable)]
"""What these VMMs really run."""


@contextmanager
def vmm(code: str, *words: str) -> Iterator[int]:
    """A process that holds what the code opens, and has a VMM's command line; the value is its pid."""
    code += "print('ready', flush=True); input()"
    command = ["qemu-system-x86_64", "-c", code, *words]
    # Python 3.11 looks for its library beside what it is called, and that is a program where QEMU is installed.
    home = {**os.environ, "PYTHONHOME": sys.base_prefix}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, executable=sys.executable, env=home, cwd=ROOT, text=True, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid


def called(host: Host, pid: int) -> Domain:
    return next(domain for domain in host.domains() if domain.process and domain.process.pid == pid)


def test_its_devices_and_their_counters(namespace: Path, tmp_path: Path) -> None:
    host = Host(sys=namespace, vmms=VMMS)
    with (
        Loop(tmp_path / "disk") as loop,
        vmm(
            TAP.format("tap0") + DISK.format(loop.path),
            *(
                "-name",
                "guest=web1",
                "-drive",
                f"file={loop.path},if=none,id=drive0",
                "-netdev",
                "tap,ifname=tap0,id=n0",
            ),
            *("-device", "e1000,netdev=n0,mac=52:54:00:00:00:01"),
        ) as pid,
    ):
        web1 = called(host, pid)
        assert (web1.provider, web1.type, targets(web1.disks), targets(web1.interfaces)) == (
            "processes", "qemu", ["drive0"], ["tap0"]
        )  # fmt: skip
        (nic,), (disk,) = web1.interfaces, web1.disks
        assert isinstance(nic.counter_source, NetDevice)
        assert (nic.mac, nic.counter_source.namespace, nic.swap_rx_tx) == ("52:54:00:00:00:01", None, True)
        assert nic.counter_source.index == host.roots.interfaces()["tap0"] is not None
        assert isinstance(disk.counter_source, BlockDevice)
        assert (disk.counter_source.major, disk.counter_source.minor) == (loop.major, loop.minor)
        assert disk.counter_source.diskseq is not None
        loop.write(3)
        assert web1.block_stats("drive0").wr_bytes == 3 * Loop.BLOCK
        assert web1.interface_stats("tap0").state == "ok"
    assert pid not in {domain.process.pid for domain in host.domains() if domain.process}


def test_two_namespaces_with_the_same_names(namespace: Path) -> None:
    """Each guest's counters are those of its own tap0."""
    host = Host(sys=namespace, vmms=VMMS)
    with vmm(TAP.format("tap0")) as here, vmm(ELSEWHERE + TAP.format("tap0") + SEND) as there:
        ours, theirs = called(host, here), called(host, there)
        assert isinstance(ours.interfaces[0].counter_source, NetDevice)
        assert isinstance(theirs.interfaces[0].counter_source, NetDevice)
        assert ours.interfaces[0].counter_source.namespace is None
        assert theirs.interfaces[0].counter_source.namespace == f"/proc/{there}/ns/net"
        assert theirs.interfaces[0].counter_source.index is not None
        with host.poller([ours, theirs]) as poller:
            here_stats, there_stats = poller.poll().interface
        assert (here_stats.tx_packets, there_stats.tx_packets) == (0, 5)
        assert there_stats.tx_bytes == 5 * 100


def test_a_namespace_with_a_name_is_called_by_it(namespace: Path, tmp_path: Path) -> None:
    name = f"vmiostat-{tmp_path.name}"[:60]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = f"import os; from ctypes import CDLL; CDLL(None).setns(os.open('/run/netns/{name}', 0), 0); "
        with vmm(inside + TAP.format("tap5")) as pid:
            counters = called(Host(sys=namespace, vmms=VMMS), pid).interfaces[0].counter_source
            assert isinstance(counters, NetDevice)
            assert (counters.name, counters.namespace) == ("tap5", f"/run/netns/{name}")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


# Imported before the user changes, who may not be allowed to read this package.
PROVIDER = "import os; from vmiostat import Roots; from vmiostat.discovery import provider; "
PROVIDER += "from vmiostat.discovery.vmm.processes import VmmProcesses; "
AS_NOBODY = "os.setgroups([]); os.setgid(65534); os.setuid(65534); "
TELL = "print(*VmmProcesses().scan(provider.ScanContext(Roots())).problems, sep='\\n')"


@pytest.mark.parametrize(
    ("options", "mount", "code", "told"),
    [
        (["-m"], "mount -t proc -o hidepid=1 proc /proc", PROVIDER + AS_NOBODY + TELL, "hidepid"),
        (["-m"], "mount -t proc -o hidepid=2 proc /proc", PROVIDER + AS_NOBODY + TELL, "hidepid"),
        (["-mpf"], "mount -t proc proc /proc", PROVIDER + TELL, "PID namespace"),
    ],
)
def test_who_does_not_see_every_process_is_told(options: list[str], mount: str, code: str, told: str) -> None:
    need_devices()
    command = ["unshare", *options, "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "unshare" in done.stderr:
        skip(f"may not make namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    # Other tests run what is only called like a VMM.
    (sentence,) = (line for line in done.stdout.splitlines() if "are called like a VMM" not in line)
    assert sentence.startswith("/proc: ")
    assert told in sentence


def test_a_qemu_that_forks_for_its_teardown_is_one_machine() -> None:
    need_program(QEMU)
    name = f"forks-{OWN_NUMBER}"
    words = ["-name", name, "-m", "16", "-display", "none", "-nodefaults", "-S", "-async-teardown"]
    with subprocess.Popen([QEMU, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            until(lambda: process.poll() is not None or children.read_text())
            if process.poll() is not None:  # since QEMU 8.1 -run-with, which 7.2 does not know
                assert process.stderr is not None
                skip(process.stderr.read())
            host = Host()
            assert [domain.name for domain in host.domains() if name in domain.name] == [name]
        finally:
            process.kill()
