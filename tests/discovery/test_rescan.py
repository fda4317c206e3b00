"""What a scan reuses of earlier ones, and that it is nothing that may have changed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testkit.targets import targets
from testkit.trees.processes import ProcessTree
from vmiostat import Disk, Domain, Interface, Roots
from vmiostat.counter_sources import BlockDevice, NetDevice, ProcessIo
from vmiostat.discovery.libvirt import status as libvirt_status
from vmiostat.discovery.scan import Discovery
from vmiostat.discovery.vmm import process as vmm_process
from vmiostat.discovery.vmm.qemu import command_line as qemu_command_line
from vmiostat.resolve import resolve
from vmiostat.resolve.resolved_domains import ResolvedDomains
from vmiostat.system.netns import NetworkNamespaces

GUESTS = 20
QEMU = ["qemu-system-x86_64", "-name", "web1", "-netdev", "tap,ifname=tap0,id=n0"]
THERE = NetDevice("lo", None, Roots().interfaces()["lo"])


class Scans:
    """Scans a machine again and again, and counts what each scan had to find out."""

    def __init__(self, roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
        self.roots = roots
        self.discovery = Discovery(roots)
        self.resolved = ResolvedDomains(roots)
        self.done: dict[str, int] = {}
        for module, name in (
            (libvirt_status, "parse"),
            (qemu_command_line, "command_line"),
            (vmm_process, "_parse"),
            (vmm_process, "descriptors"),
        ):
            monkeypatch.setattr(module, name, self.counted(name, getattr(module, name)))

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*words: Any, **more: Any) -> Any:
            self.done[name] = self.done.get(name, 0) + 1
            return function(*words, **more)

        return count

    def scan(self, *, full: bool = False) -> list[Domain]:
        self.done = {}
        found = self.discovery.scan(full=full).domains
        namespaces = self.discovery.namespaces
        complete = self.counted("resolve", lambda domain: resolve(domain, self.roots, namespaces))
        return self.resolved.update(found, complete, namespaces, full=full)


def write(run: Path, number: int, nics: str = "<interface type='bridge'><target dev='lo'/></interface>") -> None:
    folder = run / "libvirt/qemu"
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"vm{number}.xml.new"
    new.write_text(
        f"<domstatus pid='0'><domain type='kvm' id='{number}'><name>vm{number}</name><devices>{nics}"
        "<disk type='file' device='disk'><source file='/a.qcow2'/><target dev='vda'/></disk>"
        "</devices></domain></domstatus>"
    )
    new.rename(folder / f"vm{number}.xml")


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scans:
    """This machine with libvirt guests, each with the interface that every machine has."""
    for number in range(GUESTS):
        write(tmp_path, number)
    scans = Scans(Roots(run=tmp_path), monkeypatch)
    # Other processes of this machine may run virtual machines that change.
    monkeypatch.setattr("vmiostat.discovery.provider.pids", lambda roots: frozenset())
    return scans


def test_a_scan_finds_out_only_what_changed(guests: Scans, tmp_path: Path) -> None:
    first = guests.scan()
    assert guests.done == {"parse": GUESTS, "resolve": GUESTS}
    assert {domain.interfaces[0].counter_source for domain in first} == {THERE}
    again = guests.scan()
    assert guests.done == {}
    assert all(one is other for one, other in zip(first, again, strict=True))
    write(tmp_path, 7, nics="")
    changed = guests.scan()
    assert guests.done == {"parse": 1, "resolve": 1}
    assert [one.name for one, other in zip(first, changed, strict=True) if one != other] == ["vm7"]


def test_a_rewritten_file_may_mean_another_device_though_it_is_the_same(guests: Scans, tmp_path: Path) -> None:
    first = guests.scan()
    write(tmp_path, 7)
    assert guests.scan() == first
    assert guests.done == {"parse": 1, "resolve": 1}


def test_a_full_scan_finds_all_devices_again(guests: Scans) -> None:
    first = guests.scan()
    assert guests.scan(full=True) == first
    assert guests.done == {"resolve": GUESTS}


KVM = Domain("web1", type="kvm")


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        (replace(KVM, interfaces=(Interface("lo", counter_source=THERE),)), True),
        (replace(KVM, interfaces=(Interface("lo", counter_source=replace(THERE, index=99999)),)), False),
        (replace(KVM, interfaces=(Interface("lo", counter_source=replace(THERE, index=None)),)), False),
        (replace(KVM, interfaces=(Interface("gone0", counter_source=NetDevice("gone0", None, 99999)),)), False),
        (
            replace(KVM, interfaces=(Interface("a", counter_source=NetDevice("a", "/run/netns/vmiostat-none", 3)),)),
            False,
        ),
        (replace(KVM, interfaces=(Interface("u", type="user", reason="no host interface"),)), True),
        (replace(KVM, disks=(Disk("vda", source="/dev/a", counter_source=BlockDevice(999, 0, None)),)), True),
        (replace(KVM, disks=(Disk("vda", source="/dev/a", counter_source=BlockDevice(999, 0, 7)),)), False),
        (replace(KVM, total=Disk("total", "domain", "total", counter_source=ProcessIo(1))), True),
        (replace(KVM, disks=(Disk("vda", source="/dev/a", reason="/dev/a cannot be opened"),)), False),
        (replace(KVM, disks=(Disk("sda", device="cdrom", reason="an empty drive"),)), True),
        (replace(KVM, disks=(Disk("vda", "file", source="/a.qcow2", reason="a file"),)), True),
        (Domain("web1", type="xen"), False),
    ],
)
def test_a_resolved_domain_is_kept_while_its_devices_are_the_same(domain: Domain, kept: bool) -> None:
    resolved = ResolvedDomains(Roots())
    calls: list[Domain] = []

    def complete(found: Domain) -> Domain:
        calls.append(found)
        return domain

    for _ in range(2):
        assert resolved.update([KVM], complete, NetworkNamespaces(Roots()), full=False) == [domain]
    assert len(calls) == (1 if kept else 2)


def test_a_vmm_with_the_same_open_files_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ProcessTree(tmp_path, "tap0", "tap1")
    tree.process(500, QEMU, {}, {11: "tap0"})
    tree.process(600, ["bash"])
    scans = Scans(tree.roots, monkeypatch)
    (web1,) = scans.scan()
    assert (scans.done["_parse"], scans.done["descriptors"]) == (2, 1)
    assert scans.scan() == [web1]
    assert "_parse" not in scans.done
    assert "descriptors" not in scans.done
    tree.link("proc/500/fd/12", "/dev/net/tun")
    tree.write("proc/500/fdinfo/12", "flags:\t02\niff:\ttap1\n")
    (web1,) = scans.scan()
    assert targets(web1.interfaces) == ["tap0", "tap1"]
    assert "_parse" not in scans.done
    assert scans.scan(full=True) == [web1]
    assert (scans.done["_parse"], scans.done["descriptors"]) == (1, 1)  # bash may run another program by now


def test_another_program_and_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ProcessTree(tmp_path, "tap0", "tap1")
    tree.process(500, QEMU, {}, {11: "tap0"})
    tree.process(600, ["bash"])
    scans = Scans(tree.roots, monkeypatch)
    scans.scan()
    # By execve(): its start is the same.
    tree.write("proc/600/cmdline", "kvm\0-name\0db1\0")
    assert [domain.name for domain in scans.scan(full=True)] == ["web1", "db1"]
    # By its end, and the start of another one.
    shutil.rmtree(tree.root / "proc/500")
    assert [domain.name for domain in scans.scan()] == ["db1"]
    tree.process(500, ["kvm", "-name", "web2"], {}, {11: "tap1"})
    assert [(domain.name, targets(domain.interfaces)) for domain in scans.scan()] == [("web2", ["tap1"]), ("db1", [])]
    (tree.root / "proc/500/stat").write_text(f"500 (kvm) S {'0 ' * 18}777\n")
    tree.write("proc/500/cmdline", "kvm\0-name\0web3\0")
    assert [domain.name for domain in scans.scan(full=True)] == ["web3", "db1"]


def test_a_namespace_keeps_its_path_while_the_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if other processes enter it: under another path its rows would be other devices."""
    tree = ProcessTree(tmp_path)

    def start(pid: int) -> None:
        tree.process(pid, ["kvm", "-name", f"vm{pid}"], {}, {11: "tap0"}, namespace="net:[9]")
        tree.write(f"proc/{pid}/net/dev", (tree.root / "proc/net/dev").read_text())

    def paths(domains: list[Domain]) -> list[str | None]:
        counters = [nic.counter_source for domain in domains for nic in domain.interfaces]
        return [device.namespace for device in counters if isinstance(device, NetDevice)]

    scans = Scans(tree.roots, monkeypatch)
    start(500)
    assert paths(scans.scan()) == ["/proc/500/ns/net"]
    start(400)
    for full in (False, True):
        assert paths(scans.scan(full=full)) == ["/proc/500/ns/net"] * 2
    shutil.rmtree(tree.root / "proc/500")
    assert paths(scans.scan()) == ["/proc/400/ns/net"]
