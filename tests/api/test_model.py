"""A domain and its devices: how they print, how they are copied, and what help() says of them."""

import copy
import inspect
import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

import vmiostat
from testkit.fakes import qemu as fake_qemu
from testkit.fixture_trees import DOMAIN_XML, XEN
from testkit.trees.qemu import ON_SDB, QMP, QemuTree
from vmiostat import (
    BlockCounterSource,
    BlockDevice,
    CgroupIo,
    Disk,
    Domain,
    Host,
    Interface,
    InterfaceCounterSource,
    NetDevice,
    Process,
    ProcessIo,
    Tapdisk,
    VirtualFunction,
    VmmReported,
    XenVbd,
)

DISK_SOURCES = (BlockDevice(8, 0, 7), XenVbd("vbd", 1, 51712), Tapdisk(300, 1, 51712), CgroupIo("/a", 1), ProcessIo(70))
NIC_SOURCES = (NetDevice("vnet0", "/run/netns/blue", 7), VirtualFunction("enp3s0f0", 1))
SOURCES: tuple[BlockCounterSource | InterfaceCounterSource, ...] = (*DISK_SOURCES, *NIC_SOURCES)


def domains() -> Iterator[Domain]:
    yield from Host(XEN / "instant-1").domains(host=True)
    yield from Host(xml=DOMAIN_XML).domains()
    yield from Host().domains()
    disks = tuple(Disk("vda", counter_source=source) for source in DISK_SOURCES)
    nics = tuple(Interface("vnet0", counter_source=source) for source in NIC_SOURCES)
    yield Domain("web1", 3, "u-1", "kvm", "test", Process(70, 8), disks, nics, total=Disk("total", reason="none"))


def test_a_device_prints_as_its_target() -> None:
    domain = Host(XEN / "instant-1").domain(1)
    assert " ".join(map(str, (domain.name, *domain.disks, *domain.interfaces))) == "Domain-1 xvda xvdb vif1.0 lan-vm1"
    assert domain.block_stats(domain.disks[0]).v1 == domain.block_stats("xvda").v1
    assert domain.interface_stats(domain.interfaces[1]).v1 == domain.interface_stats("lan-vm1").v1
    assert domain.interface_stats(domain.interfaces[1]).v1 != domain.interface_stats("vif1.0").v1
    with pytest.raises(vmiostat.UnknownDevice, match="there are: xvda, xvdb"):
        domain.block_stats(Disk("sda"))
    with pytest.raises(vmiostat.UnknownDevice, match=r"there are: vif1\.0, lan-vm1"):
        domain.interface_stats(Interface("eth0"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_domain_is_equal(protocol: int) -> None:
    for domain in domains():
        again = pickle.loads(pickle.dumps(domain, protocol))
        assert again == domain
        assert repr(again) == repr(domain)
        assert again.reader is None
        with pytest.raises(ValueError, match="only a Host's"):
            again.block_stats("vda")
    for source in SOURCES:
        assert pickle.loads(pickle.dumps(source, protocol)) == source


def test_a_copy_is_equal_and_can_be_read() -> None:
    for domain in domains():
        for again in (copy.copy(domain), copy.deepcopy(domain), copy.deepcopy([domain])[0], replace(domain)):
            assert again == domain
            assert again.reader is domain.reader
        for device in (*domain.disks, *domain.interfaces):
            assert copy.deepcopy(device) == device
    for source in SOURCES:
        assert copy.deepcopy(source) == source


def test_a_domain_whose_disks_qemu_counts_is_pickled_without_its_answers(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    machine = QemuTree(tmp_path)
    machine.vm(100, "web1", ON_SDB + QMP)
    with (
        fake_qemu.running(tmp_path / "run/web1.qmp"),
        machine.host.poller(qemu_interval="on demand", block_source="qemu") as poller,
    ):
        (domain,) = poller.domains
        assert copy.deepcopy(domain) == domain
        again = pickle.loads(pickle.dumps(domain))
        assert (again.name, again.process) == (domain.name, domain.process)
        (source,) = {disk.counter_source for disk in again.disks}
        assert isinstance(source, VmmReported)
        assert str(source) == str(domain.disks[0].counter_source)


@pytest.mark.parametrize("kind", [Domain, Disk, Interface, Process, *map(type, SOURCES), VmmReported])
def test_every_attribute_is_documented(kind: type) -> None:
    _, _, attributes = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    described = [
        name for line in attributes.splitlines() if " : " in line for name in line.partition(" : ")[0].split(", ")
    ]
    assert described == [field.name for field in fields(kind)]


def test_errors_can_be_pickled() -> None:
    errors = [
        vmiostat.TopologyError("no name", "web1.xml", 3),
        vmiostat.SourceError(2, "No such file or directory", "/proc/net/dev"),
        vmiostat.SourceError("not a number"),
        vmiostat.UnknownDomain("no domain 'web1'"),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
        assert copy.deepcopy(error).args == error.args
