"""From a guest's PCI device to the card that counts it, on made machines; no card here has virtual functions."""

from pathlib import Path

import pytest
from lxml import etree

from vmiostat import Domain, Host, Interface, Roots
from vmiostat.counter_sources import VirtualFunction
from vmiostat.discovery.xml.interface import interface
from vmiostat.resolve import resolve
from vmiostat.resolve.virtual_function import virtual_function

CARD = "devices/pci0000:00/0000:00:02.0/0000:03:00.0"


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    """A card of two functions: 0000:03:10.1 is number 0, 0000:03:10.3 is number 1; as sysfs links them."""
    sys = tmp_path / "sys"
    devices = sys / "bus/pci/devices"
    devices.mkdir(parents=True)
    parent = (sys / CARD).parent
    (sys / CARD / "net/enp3s0f0").mkdir(parents=True)
    (devices / "0000:03:00.0").symlink_to(f"../../../{CARD}")
    for number, name in enumerate(["0000:03:10.1", "0000:03:10.3"]):
        (parent / name).mkdir()
        (parent / name / "physfn").symlink_to("../0000:03:00.0")
        (sys / CARD / f"virtfn{number}").symlink_to(f"../{name}")
        (devices / name).symlink_to(f"../../../{CARD.rpartition('/')[0]}/{name}")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text("")
    return Roots(tmp_path)


def nic(address: str | None, roots: Roots) -> Interface:
    card = Interface("52:54:00:00:00:01", type="hostdev", source=address)
    return resolve(Domain("web1", id=1, type="kvm", interfaces=(card,)), roots).interfaces[0]


def test_a_virtual_function_is_counted_by_its_card(roots: Roots) -> None:
    for number, address in enumerate(["0000:03:10.1", "0000:03:10.3"]):
        found = nic(address, roots)
        assert found.counter_source == VirtualFunction("enp3s0f0", number)
        assert not found.swap_rx_tx
        assert "the guest's rx is the function's rx" in found.rx_tx_view
        assert "enp3s0f0" in found.reason


def test_a_whole_device_is_not_counted(roots: Roots) -> None:
    for address in ("0000:03:00.0", "0000:99:00.0", None, "../../..", "0000:03:10.1/physfn", "0000:03:10.9", ""):
        found = nic(address, roots)
        assert found.counter_source is None
        assert "a whole PCI device" in found.reason


def test_a_card_that_cannot_be_queried_says_why(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "sys" / CARD / "net/enp3s0f0").rmdir()
    assert "virtual function 1 of PCI device 0000:03:00.0" in str(virtual_function("0000:03:10.3", roots))
    (tmp_path / "sys" / CARD / "virtfn1").unlink()
    (tmp_path / "sys" / CARD / "virtfn0x").symlink_to("../0000:03:10.3")
    (tmp_path / "sys" / CARD / "virtfn2").symlink_to("../no-such")
    assert "no virtfnN leads to it" in str(virtual_function("0000:03:10.3", roots))


def test_a_captured_machine_s_card_cannot_be_queried(roots: Roots, tmp_path: Path) -> None:
    web1 = Domain("web1", interfaces=(nic("0000:03:10.1", roots),))
    with Host(tmp_path).poller([web1]) as poller:
        stats = poller.poll().interface[0]
        assert (stats.state, stats.rx_bytes) == ("unreadable", -1)
        assert "captured" in str(poller.problem("interface", 0))


SOURCE = "<source><address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x1'/></source>"


@pytest.mark.parametrize(
    "xml",
    [
        f"<interface type='hostdev' managed='yes'>{SOURCE}</interface>",
        f"<interface type='network'><source network='vfs'/><actual type='hostdev'>{SOURCE}</actual></interface>",
        "<interface type='hostdev'><source network='n'><address bus='3' slot='16' function='1'/></source></interface>",
    ],
)
def test_the_address_is_the_interface_s_source(xml: str) -> None:
    found = interface(etree.fromstring(xml), live=True)
    assert (found.type, found.source) == ("hostdev", "0000:03:10.1")


@pytest.mark.parametrize(
    "address",
    [
        "<address type='usb' bus='3' device='2'/>",
        "<address type='pci' bus='0x03' slot='0x20' function='0x1'/>",
        "<address type='pci' bus='-1' slot='0x10' function='0x1'/>",
        "<address type='pci' bus='three' slot='0x10' function='0x1'/>",
        "<address type='pci' slot='0x10'/>",
        "",
    ],
)
def test_no_address_no_source(address: str) -> None:
    found = interface(etree.fromstring(f"<interface type='hostdev'><source>{address}</source></interface>"), live=True)
    assert found.source is None


def test_a_pci_address_names_no_other_type_s_source() -> None:
    xml = f"<interface type='bridge'>{SOURCE.replace('<source>', '<source bridge=' + repr('br0') + '>')}</interface>"
    assert interface(etree.fromstring(xml), live=True).source == "br0"
