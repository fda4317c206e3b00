"""A made machine with a running domain, and its watch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.trees.libvirt import LibvirtTree
from testkit.watches import NEVER
from vmiostat import Host
from vmiostat.watching.watch import Watch


@pytest.fixture
def tree(tmp_path: Path) -> LibvirtTree:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10, "vnet1": 20})
    tree.start("web1", ["vnet0"])
    return tree


@pytest.fixture
def watch(tree: LibvirtTree) -> Iterator[Watch]:
    with Host(tree.root).watch(NEVER) as watch:
        assert watch.wait(timeout=10)
        yield watch
