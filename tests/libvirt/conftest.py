"""A fake libvirt that runs two domains, and the made machine that it is read on."""

import sys
from pathlib import Path

import pytest

from testkit.fakes.libvirt import Daemon, Libvirt
from vmiostat import Roots


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> Libvirt:
    fake = Libvirt()
    monkeypatch.setitem(sys.modules, "libvirt", fake)
    return fake


@pytest.fixture
def daemon(libvirt: Libvirt) -> Daemon:
    libvirt.daemon.start(1, "web1", "vnet0")
    libvirt.daemon.start(2, "db1", "vnet1 vnet2")
    return libvirt.daemon


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("kvm1\n")
    return Roots(tmp_path)
