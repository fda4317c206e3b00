"""Xen disks that only QEMU counts, queried in the background."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu
from testkit.fakes.xenstored import running
from testkit.trees.qemu import QemuTree
from testkit.trees.xen import XenTree
from vmiostat import Host
from vmiostat.model import Process

# As libxl starts it (fixtures/xen-4.17-real/ps.txt).
QEMU = (
    "/usr/libexec/xen-qemu-system-i386 -xen-domid 2 -no-shutdown "
    "-chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-2,server=on,wait=off -mon chardev=libxl-cmd,mode=control "
    "-chardev socket,id=libxenstat-cmd,path=/var/run/xen/qmp-libxenstat-2,server=on,wait=off "
    "-mon chardev=libxenstat-cmd,mode=control -nodefaults -no-user-config -xen-attach -name web1 -vnc none "
    "-display none -nographic -machine xenpv -m 160"
)
BACKENDS = "/local/domain/0/backend"
XVDA, XVDB, XVDC, XVDD, XVDE = 51712, 51728, 51744, 51760, 51776


def drive(node: str, number: int) -> dict[str, object]:
    """An entry of query-blockstats, as QEMU 7.2 returned it for a qdisk."""
    parent = {"stats": {"wr_highest_offset": number + 1000}, "node-name": "#block028"}
    stats = fake_qemu.stats(number)
    return {"device": "", "qdev": "/machine/unattached/device[2]", "node-name": node, "stats": stats, "parent": parent}


@pytest.fixture
def tree(tmp_path: Path) -> XenTree:
    """A domain with two disks that QEMU serves, one of the kernel, and one of QEMU in a driver domain."""
    tree = XenTree(tmp_path)
    tree.domain(2, "web1", "ea1b1a9e-0000-4000-8000-000000000002")
    for number, dev in ((XVDA, "xvda"), (XVDB, "d1p0")):
        tree.store[f"{BACKENDS}/qdisk/2/{number}/dev"] = dev
        tree.folder(f"qdisk-2-{number}").mkdir(parents=True)
    tree.vbd(2, XVDC, "xvdc", 7)
    tree.store |= {
        f"/libxl/2/device/vbd/{XVDD}/backend": f"/local/domain/9/backend/qdisk/2/{XVDD}",
        f"/local/domain/9/backend/qdisk/2/{XVDD}/dev": "xvdd",
    }
    return tree


@pytest.fixture
def qemu(tree: XenTree) -> Iterator[FakeQemu]:
    machine = QemuTree(tree.root)
    machine.process(602, QEMU.split())
    (tree.root / "var/run/xen").mkdir(parents=True, exist_ok=True)
    with fake_qemu.running(tree.root / "var/run/xen/qmp-libxenstat-2") as qemu, running(tree.root, tree.store):
        qemu.disks = [drive("xvda-qcow2", 100), drive("d1p0-raw", 200)]
        yield qemu


@pytest.mark.usefixtures("qemu")
def test_qemu_is_queried_for_the_disks_that_it_serves(tree: XenTree) -> None:
    with Host(tree.root).poller(qemu_interval="on demand") as poller:
        assert poller.query(10.0)
        block = poller.poll().block
        seen = {device: (row.state, row.rd_req) for device, row in zip(block.devices, block, strict=True)}
    assert seen == {"xvda": ("ok", 100), "d1p0": ("ok", 200), "xvdc": ("ok", 7), "xvdd": ("unsupported", -1)}


def test_a_domain_s_qemu_is_the_one_that_xenstore_names(tree: XenTree) -> None:
    machine = QemuTree(tree.root)
    machine.process(602, QEMU.split())
    machine.process(603, QEMU.replace("-xen-domid 2", "-xen-domid 99").split())
    tree.store["/local/domain/2/image/device-model-pid"] = "603"
    with running(tree.root, tree.store):
        domains = Host(tree.root).domains()
    assert [domain.process for domain in domains if domain.name == "web1"] == [Process(603, 603)]
    assert [domain.name for domain in domains if domain.process == Process(602, 602)] == ["web1@602"]


@pytest.mark.parametrize(("source", "reads"), [("kernel", 5), ("qemu", 300)])
def test_a_qdisk_on_a_block_device_has_the_kernel_s_counters_unless_qemu_s_are_requested(
    tree: XenTree, qemu: FakeQemu, source: Literal["kernel", "qemu"], reads: int
) -> None:
    tree.store |= {f"{BACKENDS}/qdisk/2/{XVDE}/dev": "xvde", f"{BACKENDS}/qdisk/2/{XVDE}/params": "qcow2:/dev/vg-a"}
    tree.folder(f"qdisk-2-{XVDE}").mkdir(parents=True)
    device = tree.root / "sys/class/block/vg-a"
    device.mkdir(parents=True)
    (device / "dev").write_text("252:3\n")
    stat = tree.root / "sys/dev/block/252:3/stat"
    stat.parent.mkdir(parents=True)
    stat.write_text(" ".join(["5"] * 17) + "\n")
    qemu.disks.append(drive("xvde-qcow2", 300))
    with Host(tree.root).poller(qemu_interval="on demand", block_source=source) as poller:
        assert poller.query(10.0)
        row = poller.poll().block["web1", "xvde"]
    assert (row.state, row.rd_req) == ("ok", reads)


@pytest.mark.usefixtures("qemu")
def test_qemu_is_not_queried_for_the_kernel_s_disks(tree: XenTree) -> None:
    with Host(tree.root).poller(qemu_interval="on demand", block_source="qemu") as poller:
        assert poller.query(10.0)
        assert poller.poll().block["web1", "xvdc"].rd_req == 7


def test_qemu_is_queried_only_on_request(tree: XenTree, qemu: FakeQemu) -> None:
    host = Host(tree.root)
    with host.poller() as poller:
        assert poller.poll().block["web1", "xvda"].state == "unsupported"
    assert qemu.clients == 0
    (web1,) = [domain for domain in host.domains() if domain.name == "web1"]
    assert web1.process is not None
    assert web1.total is None  # what QEMU reads and writes is not all
