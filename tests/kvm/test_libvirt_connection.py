"""Domains from a real libvirtd: what it tells, also by itself, and what happens when it stops answering or is gone."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.kvm.running_lab import RunningLab, file_of
from testkit.fakes.libvirt_connections import woken
from testkit.targets import targets
from tests.kvm.libvirt_proxy import LibvirtProxy
from vmiostat import Domain, Host, Roots
from vmiostat.discovery.libvirt.connection import LibvirtConnection
from vmiostat.discovery.libvirt.events import Listener
from vmiostat.discovery.libvirt.status import LibvirtStatus
from vmiostat.discovery.provider import ScanContext

GUEST = "klab-guest"
DEFINITION = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><tcg><tb-cache unit='MiB'>4</tb-cache></tcg></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda'/></disk>
</devices></domain>
"""


@pytest.fixture
def proxy(lab: RunningLab, tmp_path: Path) -> Iterator[LibvirtProxy]:
    with LibvirtProxy(tmp_path / "sock", lab.uri) as proxy:
        yield proxy


@pytest.fixture
def roots(lab: RunningLab) -> Roots:
    return Roots("/", run=lab.run)


@pytest.fixture
def guest(lab: RunningLab, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Starts one more guest; it ends with the test."""
    image = tmp_path / "guest.raw"
    image.write_bytes(bytes(1 << 20))
    definition = file_of(tmp_path, "guest.xml", DEFINITION.format(name=GUEST, image=image))

    def start() -> None:
        lab.virsh("create", definition, "--paused")

    yield start
    if GUEST in lab.virsh("list", "--name").split():
        lab.virsh("destroy", GUEST)


def until(true: Callable[[], object], listener: Listener, seconds: float = 20.0) -> None:
    """Looks only when the listener says so, until what is looked for is there."""
    end = time.monotonic() + seconds
    while not true():
        assert woken(listener, end - time.monotonic()), "nobody told of it"


def names(connection: LibvirtConnection, roots: Roots) -> list[str]:
    return [domain.name for domain in connection.domains(roots).domains]


def vm1(connection: LibvirtConnection, roots: Roots) -> Domain:
    return next(domain for domain in connection.domains(roots).domains if domain.name == RunningLab.RICH)


def test_what_libvirt_tells_is_what_its_status_files_say(lab: RunningLab, roots: Roots) -> None:
    told, written = LibvirtConnection(lab.uri).domains(roots), LibvirtStatus().scan(ScanContext(roots))
    assert told.problems == written.problems == ()
    assert len(told.domains) >= 3

    def same(domain: Domain) -> tuple[object, ...]:
        # libvirt's XML names the network that an interface came by, the file also the bridge that it came to.
        nics = [(nic.target, nic.type, nic.mac) for nic in domain.interfaces]
        return domain.name, domain.id, domain.uuid, domain.type, domain.process, domain.disks, nics

    assert sorted(map(same, told.domains), key=str) == sorted(map(same, written.domains), key=str)
    assert all(domain.process is not None for domain in told.domains)


def test_hot_plug_is_told_of_and_is_there_by_then(lab: RunningLab, roots: Roots, tmp_path: Path) -> None:
    """Only events bring a look here, and a look is all that it takes."""
    connection = LibvirtConnection(lab.uri)
    listener = connection.changes()
    before = set(targets(vm1(connection, roots).interfaces))
    xml = "<interface type='bridge'><mac address='52:54:00:91:01:77'/><source bridge='{}'/></interface>"
    source = next(nic.source for nic in vm1(connection, roots).interfaces if nic.type == "bridge")
    assert source is not None
    bridge = source.rpartition("(")[2].removesuffix(")")  # network (bridge)
    nic = file_of(tmp_path, "nic.xml", xml.format(bridge))
    lab.virsh("attach-device", lab.RICH, nic, "--live")
    try:
        until(lambda: len(set(targets(vm1(connection, roots).interfaces)) - before) == 1, listener)
    finally:
        lab.virsh("detach-device", lab.RICH, nic, "--live")
    until(lambda: set(targets(vm1(connection, roots).interfaces)) == before, listener)


def test_a_guest_that_starts_and_ends_is_told_of(lab: RunningLab, roots: Roots, guest: Callable[[], None]) -> None:
    connection = LibvirtConnection(lab.uri)
    listener = connection.changes()
    assert GUEST not in names(connection, roots)
    guest()
    until(lambda: GUEST in names(connection, roots), listener)
    lab.virsh("destroy", GUEST)
    until(lambda: GUEST not in names(connection, roots), listener)


def test_an_external_snapshot_is_seen_by_who_looks_and_its_end_is_told_of(
    lab: RunningLab, roots: Roots, guest: Callable[[], None], tmp_path: Path
) -> None:
    guest()
    connection = LibvirtConnection(lab.uri)
    listener = connection.changes()

    def source() -> str | None:
        found = next(domain for domain in connection.domains(roots).domains if domain.name == GUEST)
        return found.disks[0].source

    assert source() == str(tmp_path / "guest.raw")
    overlay = tmp_path / "overlay.qcow2"
    snapshot = ["--disk-only", "--no-metadata", "--diskspec", f"vda,snapshot=external,file={overlay}"]
    lab.virsh("snapshot-create-as", GUEST, "s1", *snapshot)
    assert source() == str(overlay)
    lab.virsh("blockcommit", GUEST, "vda", "--active", "--pivot")
    until(lambda: source() == str(tmp_path / "guest.raw"), listener)


def test_a_libvirtd_that_stops_answering(proxy: LibvirtProxy, roots: Roots) -> None:
    connection = LibvirtConnection(proxy.uri, deadline=0.3)
    listener = connection.changes()
    before = connection.domains(roots).domains
    proxy.freeze()
    for _ in range(3):
        start = time.monotonic()
        found = connection.domains(roots)
        assert time.monotonic() - start < 20
        assert found.domains == before
        assert "libvirt has not answered for" in str(found.problems[0])
    proxy.thaw()
    until(lambda: connection.domains(roots).problems == (), listener)
    assert proxy.connections == 1


def test_a_libvirtd_that_is_killed_and_comes_back(
    lab: RunningLab, proxy: LibvirtProxy, roots: Roots, guest: Callable[[], None]
) -> None:
    """Whoever listens hears of it, and is told when there is something to look at again."""
    connection = LibvirtConnection(proxy.uri)
    listener = connection.changes()
    before = names(connection, roots)
    proxy.cut()
    assert woken(listener, 5)
    found = connection.domains(roots)
    assert [domain.name for domain in found.domains] == before
    assert "is libvirtd (or virtqemud) running" in str(found.problems[0])
    guest()
    proxy.listen()
    until(lambda: GUEST in names(connection, roots), listener)
    lab.virsh("destroy", GUEST)
    until(lambda: GUEST not in names(connection, roots), listener)


@pytest.mark.slow
def test_a_libvirtd_that_is_stopped_is_found_out_by_keepalive(proxy: LibvirtProxy, roots: Roots) -> None:
    """Then what waits for an answer ends, and no thread is left waiting."""
    connection = LibvirtConnection(proxy.uri, deadline=0.2)
    listener = connection.changes()
    connection.domains(roots)
    proxy.freeze()
    connection.domains(roots)
    start = time.monotonic()
    assert woken(listener, 60)
    assert time.monotonic() - start > 5


def test_a_libvirtd_that_never_answers_does_not_keep_a_process_alive(proxy: LibvirtProxy) -> None:
    program = (
        "import sys\nfrom vmiostat import Host\n"
        "host = Host(libvirt=sys.argv[1])\nwatch = host.watch()\nprint(len(host.domains()), flush=True)\n"
        "input()\n"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", program, proxy.uri], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) >= 3
    proxy.freeze()
    _, errors = process.communicate("\n", timeout=20)
    assert (errors, process.returncode) == ("", 0)


def test_no_libvirtd_says_what_to_do_and_prints_nothing(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")  # which a machine without the lab need not have
    uri = f"qemu:///system?socket={tmp_path}/none"
    command = [sys.executable, "-m", "vmiostat", "devices", "-c", uri]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (warning,) = [line for line in done.stderr.splitlines() if uri in line]
    assert warning.endswith("is libvirtd (or virtqemud) running, and its socket where the URI says?")
    assert "libvirt: XML-RPC error" not in done.stderr


def test_a_host_s_domains_by_libvirt_alone(lab: RunningLab, tmp_path: Path) -> None:
    """As where the status files may not be read."""
    host = Host(run=tmp_path, libvirt=lab.uri)
    domain = host.domain(lab.RICH)
    assert domain.provider == "libvirt"
    assert domain.process is not None, "the provider of processes knows it"
    assert domain.process.pid == lab.pids()[lab.RICH]
    assert all(nic.counter_source is not None for nic in domain.interfaces if nic.type != "user")
