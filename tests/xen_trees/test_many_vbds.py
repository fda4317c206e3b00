"""A thousand Xen disks in a made tree: each is found, named and read as itself."""

import json
import subprocess
from collections.abc import Iterator

import numpy
import pytest

from testkit.command import COMMAND
from testkit.fakes.xenstored import running
from testkit.targets import targets
from testkit.trees.xen import XenTree
from vmiostat import Host
from vmiostat.system.xen_vbd_number import xen_device_number

DOMAINS, DISKS = 50, 20
UUID = "ea1b1a9e-0000-4000-8000-{:012d}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XenTree]:
    tree = XenTree(tmp_path_factory.mktemp("many") / "machine")
    (tree.root / "proc").mkdir(exist_ok=True)
    (tree.root / "proc/uptime").write_text("3600.00 7000.00\n")
    for domid in range(1, DOMAINS + 1):
        tree.domain(domid, f"web{domid}", UUID.format(domid))
        for disk in range(DISKS):
            number = xen_device_number(f"d{disk}p0")
            assert number is not None
            tree.vbd(domid, number, f"d{disk}p0", 100 * domid + disk)
    with running(tree.root, tree.store):
        yield tree


@pytest.fixture(scope="module")
def host(tree: XenTree) -> Host:
    return Host(tree.root)


def test_each_is_found_under_its_configured_name(host: Host) -> None:
    found = {domain.name: targets(domain.disks) for domain in host.domains()}
    assert found == {f"web{domid}": [f"d{disk}p0" for disk in range(DISKS)] for domid in range(1, DOMAINS + 1)}
    assert host.problems == ()


def test_the_command_may_open_as_many_files_as_that_takes(tree: XenTree) -> None:
    few = ["sh", "-c", 'ulimit -Sn 64 && exec "$0" "$@"']
    command = [*few, *COMMAND, "--root", str(tree.root), "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert [row["state"] for row in json.loads(done.stdout)["block"]] == ["ok"] * DOMAINS * DISKS


def test_one_poll_reads_each_as_itself(host: Host) -> None:
    with host.poller() as poller:
        block = poller.poll().block
        seen = [
            (domain, device, row.rd_req)
            for domain, device, row in zip(block.domains, block.devices, block, strict=True)
        ]
        (explained,) = poller.explain()
        v1 = numpy.zeros((DOMAINS * DISKS, 5), numpy.int64)
        poller.poll_into(block=v1, block_size=40)
    assert seen == [
        (f"web{domid}", f"d{disk}p0", 100 * domid + disk) for domid in range(1, DOMAINS + 1) for disk in range(DISKS)
    ]
    assert explained.system_calls == 7 * DOMAINS * DISKS
    assert [row.v1 for row in block] == [tuple(row) for row in v1.tolist()]
