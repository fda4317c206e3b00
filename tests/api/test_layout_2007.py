"""The machine of the proposal: XenLinux of 2007, its statistics folders and its /proc/net/dev (fixtures/xen-2007)."""

import pytest

from testkit.fixture_trees import XEN_2007
from testkit.targets import targets
from vmiostat import Host, NoCounters, UnknownDevice

HOST = Host(root=XEN_2007)
UNKNOWN = -1


def test_its_domains_and_their_devices() -> None:
    found = {domain.id: (domain.name, targets(domain.disks), targets(domain.interfaces)) for domain in HOST.domains()}
    assert found == {
        1: ("Domain-1", ["xvda", "xvdb"], ["vif1.0"]),
        2: ("Domain-2", ["hda", "hdc"], ["vif2.0"]),
        3: ("Domain-3", ["sda"], []),
    }
    assert HOST.problems == ()


def test_its_block_devices() -> None:
    xvda = HOST.domain(1).block_stats("xvda")
    assert xvda.v1 == (1200, 9600 * 512, 3400, 27200 * 512, 3)
    assert (xvda.fl_req, xvda.ds_req, xvda.rd_time) == (17, UNKNOWN, UNKNOWN)
    assert HOST.domain(2).block_stats("hdc").v1 == (11, 88 * 512, 22, 176 * 512, 1)
    assert HOST.domain(3).block_stats("sda").v1 == (9, UNKNOWN, 8, UNKNOWN, 0)


def test_an_int_that_passed_its_half() -> None:
    hda = HOST.domain(2).block_stats("hda")
    assert hda.v1 == (1 << 31, ((1 << 31) + 8) * 512, 70000, ((1 << 32) - 1) * 512, 0)


def test_numbers_that_touch_the_colon() -> None:
    assert HOST.domain(1).interface_stats("vif1.0").v1 == (2345678901, 876543, 0, 42, 1234567890, 987654, 0, 0)
    as_host = Host(root=XEN_2007, view="host")
    assert as_host.domain(1).interface_stats("vif1.0").v1 == (1234567890, 987654, 0, 0, 2345678901, 876543, 0, 42)


def test_a_name_is_matched_whole() -> None:
    (vif,) = HOST.domain(2).interfaces
    assert vif.target == "vif2.0"
    with pytest.raises(UnknownDevice):
        HOST.domain(1).interface_stats("vif11.0")


def test_every_row_in_one_poll() -> None:
    with HOST.poller() as poller:
        sample = poller.poll()
    assert [row.state for row in sample.block] == ["ok"] * 5
    assert [row.state for row in sample.interface] == ["ok"] * 2


def test_the_same_domain_by_its_xml(tmp_path_factory: pytest.TempPathFactory) -> None:
    xml = tmp_path_factory.mktemp("xml") / "web1.xml"
    xml.write_text(
        """<domain type='xen' id='2'><name>web1</name><devices>
             <disk type='block' device='disk'><driver name='phy'/><source dev='/dev/vg/a'/><target dev='hda'/></disk>
             <disk type='file' device='disk'><driver name='tap'/><source file='/a'/><target dev='hdc'/></disk>
             <disk type='file' device='disk'><driver name='file'/><source file='/b'/><target dev='xvdz'/></disk>
             <interface type='bridge'><mac address='00:16:3e:00:00:01'/><target dev='vif2.0'/></interface>
           </devices></domain>"""
    )
    web1 = Host(root=XEN_2007, xml=xml).domain("web1")
    assert web1.block_stats("hda").v1 == HOST.domain(2).block_stats("hda").v1
    assert web1.block_stats("hdc").v1 == HOST.domain(2).block_stats("hdc").v1
    assert web1.interface_stats("vif2.0").v1 == (0, 0, 0, 7, 0, 0, 0, 0)
    with pytest.raises(NoCounters, match="no backend for it"):
        web1.block_stats("xvdz")
