"""Domains from Xen's xl: real configurations and `xl list -l` (fixtures/xen-4.17-real), old spellings, and nonsense."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.fixture_trees import XEN
from testkit.targets import targets
from vmiostat import Disk, Host, Interface, NoCounters, TopologyError
from vmiostat.discovery.xl import config as xl_config
from vmiostat.discovery.xl.devices import xl_disk, xl_vif
from vmiostat.discovery.xl.syntax import settings

CONFIGS = dict(re.findall(r"==> \S+/(\S+\.cfg) <==\n(.*?)(?=\n==>|\Z)", (XEN / "configs.txt").read_text(), re.DOTALL))


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_running_domains_as_xl_lists_them() -> None:
    host = Host(XEN / "instant-1", xml=XEN / "xl-list-long.json")
    found = {(domain.name, domain.id): (targets(domain.disks), targets(domain.interfaces)) for domain in host.domains()}
    assert found == {
        ("vm1", 1): (["xvda", "xvdb"], ["vif1.0", "lan-vm1"]),
        ("vm2", 2): (["xvda", "hdc", "sdd", "xvdaa"], ["vif2.0", "vif2.1"]),
        ("lv1", 3): (["xvda", "xvdb", "xvdc"], ["vif3.0"]),
    }
    assert host.problems == ()
    vm2 = host.domain("d52278ff-baf0-43f8-92fd-23b2f757b30a")
    assert vm2.block_stats("hdc").v1 == (116, 7417856, 92, 6029312, 0)
    assert vm2.interface_stats("vif2.1").rx_packets == 65
    with pytest.raises(NoCounters, match="QEMU"):
        vm2.block_stats("xvda")


def test_configurations(tmp_path: Path) -> None:
    assert sorted(CONFIGS) == ["vm1.cfg", "vm2.cfg", "vm3.cfg", "vm4.cfg", "vm5.cfg"]
    files = [file(tmp_path, name, text) for name, text in CONFIGS.items()]
    host = Host(XEN / "instant-1", xml=files)
    vm1, vm2, *_, vm5 = host.domains()
    assert host.problems == ()
    assert vm1.disks[0].source == "/srv/lab/vm1-a.raw"
    assert targets(vm2.disks) == ["xvda", "hdc", "sdd", "xvdaa"]
    assert vm5.disks[0].target == "hda"
    assert [nic.target for nic in vm1.interfaces] == ["00:16:3e:00:01:00", "lan-vm1"]
    assert vm1.interface_stats("lan-vm1").rx_packets == 184  # it needs no domid
    for device in ("xvda", "00:16:3e:00:01:00"):
        with pytest.raises(NoCounters, match="according to its definition the domain is not running"):
            (vm1.block_stats if device == "xvda" else vm1.interface_stats)(device)


@pytest.mark.parametrize(
    ("words", "disk"),
    [
        ("/dev/vg/a,raw,xvda,w", Disk("xvda", "block", source="/dev/vg/a")),
        ("/dev/vg/a, , xvda", Disk("xvda", "block", source="/dev/vg/a")),
        ("/dev/vg/a,,/dev/hda,rw", Disk("hda", "block", source="/dev/vg/a")),
        ("/srv/a.qcow2,qcow2,hdc:cdrom,r", Disk("hdc", device="cdrom", type="file", source="/srv/a.qcow2")),
        (",,hdc,,cdrom", Disk("hdc", device="cdrom", type="file")),
        ("phy:/dev/vg/a,xvda1,w", Disk("xvda1", "block", source="/dev/vg/a")),
        ("tap:aio:/srv/a.img,sda,w", Disk("sda", "file", source="/srv/a.img")),
        ("file:/srv/a.img,51712,w", Disk("51712", "file", source="/srv/a.img")),
        ("vdev=d5p0,backendtype=qdisk,target=/srv/a,b=c.img",
         Disk("d5p0", "file", source="/srv/a,b=c.img", driver="qemu")),
        ("format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/srv/a.iso",
         Disk("hdc", "file", "cdrom", "/srv/a.iso")),
        ("/srv/a=b.img,raw,xvda,w,direct-io-safe,discard", Disk("xvda", "file", source="/srv/a=b.img")),
        ("/srv/profile:1.img,raw,xvda,w", Disk("xvda", "file", source="/srv/profile:1.img")),
        ("script=block-iscsi,vdev=xvda,target=iqn=iqn.2001-05:x,portal=y:1",
         Disk("xvda", "file", source="iqn=iqn.2001-05:x,portal=y:1")),
        ("/dev/vg/a", None),
        ("/dev/vg/a,raw,vda,w", None),
        ("", None),
        ("=,=,=", None),
    ],
)  # fmt: skip
def test_a_disk_in_every_spelling(words: str, disk: Disk | None) -> None:
    assert xl_disk(words) == disk


def test_a_vif() -> None:
    assert xl_vif("", 2) == Interface("net:2", "ethernet")
    assert xl_vif("", 2, 7) == Interface("vif7.2", "ethernet")
    assert xl_vif("mac=00:16:3E:00:00:01, bridge = br0,rate=10Mb/s", 0) == Interface(
        "00:16:3e:00:00:01", "ethernet", mac="00:16:3e:00:00:01", source="br0"
    )


def test_a_driver_domain_s_devices_say_so() -> None:
    for device in (xl_disk("/dev/a,raw,xvda,w,backend=storage"), xl_vif("vifname=a,backend=storage", 0)):
        assert device is not None
        assert "in domain 'storage', a driver domain" in device.reason
    for words in ("/dev/a,raw,xvda,w,backend=0", "/dev/a,raw,xvda,w,backend=Domain-0"):
        found = xl_disk(words)
        assert found is not None
        assert found.reason == ""


@pytest.mark.parametrize(
    ("words", "server"),
    [
        ({"backend_domid": 5, "backend_domname": "storage"}, "'storage'"),
        ({"backend_domid": 5}, "'5'"),
        ({"backend_domid": 0}, None),
        ({}, None),
    ],
)
def test_a_running_domain_s_devices_say_which_domain_serves_them(words: dict[str, object], server: str | None) -> None:
    devices = {"disks": [{"vdev": "xvda", **words}], "nics": [{"devid": 0, **words}]}
    (found,) = xl_config.parse(json.dumps([{"domid": 1, "config": {"c_info": {"name": "a"}, **devices}}]).encode(), "l")
    for device in (found.domain.disks[0], found.domain.interfaces[0]):
        assert device.reason.startswith(f"its backend is in domain {server}") if server else device.reason == ""


def test_syntax() -> None:
    text = r"""
        # a comment; with "quotes
        name = 'it\'s' ; memory=0x200
        vcpus = 4; disk = [
            "a,raw,xvda,w",  # the first
            'b,raw,xvdb,w',
        ]
        disk += [ "c" ]
        nested = [ [ "x", 1 ], [] ]
        extra = "a\"b\x41\102\n\q"
        extra += ' more'"""
    assert settings(text, "a.cfg") == {
        "name": "it's",
        "memory": "0x200",
        "vcpus": "4",
        "disk": ["a,raw,xvda,w", "b,raw,xvdb,w", "c"],
        "nested": [["x", "1"], []],
        "extra": 'a"bAB\nq more',
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name = 'a'\nimport os\n", 2, "'os' instead of = or +="),
        ("name = 'a\nb'", 1, "is neither a name nor a value"),
        ("name = 'a'\n\ndisk = [ 'a' 'b' ]", 3, "instead of ,"),
        ("disk = [ 'a',\n", 2, "instead of a string"),
        ("name =", 1, "'' instead of a string"),
        ("name = os.getenv('HOME')", 1, "'os' instead of a string"),
        ("a = [[[[[[[[[[]]]]]]]]]]", 1, "lists are nested too deeply"),
        ("a = 'x'\na += ['y']", 2, "+= of a list and something else"),
        ("memory = 1024", None, "the configuration has no name"),
        ("name = ['a']", None, "the configuration has no name"),
        ("[1, 2", None, "this is not the output of `xl list -l`"),
        ("[" * 100_000, None, "this is not the output of `xl list -l`"),
    ],
)
def test_text_that_is_not_a_configuration(text: str, line: int | None, words: str) -> None:
    with pytest.raises(TopologyError) as raised:
        xl_config.parse(text.encode(), "web1.cfg")
    assert raised.value.line == line
    assert words in str(raised.value)


def test_bad_devices_are_left_out_with_a_problem(tmp_path: Path) -> None:
    path = file(tmp_path, "a.cfg", "name='a'; disk = ['/a,raw,xvda,w', '/b,raw', ['x'], '/c,raw,xvda,w']")
    host = Host(xml=path)
    assert targets(host.domain("a").disks) == ["xvda"]
    assert [str(problem) for problem in host.problems] == [
        f"{path}: domain 'a': disk '/b,raw' has no vdev and is left out",
        f"{path}: domain 'a': disk '/c,raw,xvda,w' is a second 'xvda' and is left out",
    ]


def test_malformed_entries_of_a_list() -> None:
    named = {"c_info": {"name": "a"}}
    odd = [7, None, {}, {"domid": 0, "config": named}, {"domid": "1", "config": named}, {"domid": 1},
           {"domid": 1, "config": []}, {"domid": 1 << 70, "config": named}, {"domid": True, "config": named},
           {"domid": 1, "config": {"c_info": {"name": 5, "uuid": 7}}}]  # fmt: skip
    well = {"domid": 2, "config": {"c_info": {"name": "b", "uuid": "x"}, "disks": {}, "nics": [{"devid": -1}, 4]}}
    (found,) = xl_config.parse(json.dumps([*odd, well]).encode(), "list")
    assert (found.domain.name, found.domain.uuid, targets(found.domain.interfaces)) == ("b", None, ["vif2.0"])


def test_xml_stays_xml(tmp_path: Path) -> None:
    path = file(tmp_path, "web1", "\n <domain type='xen' id='4'><name>web1</name></domain>")
    assert Host(xml=path).domain(4).name == "web1"
    host = Host(xml=file(tmp_path, "bad.xml", "name = 'a'"))
    assert "web1" not in [domain.name for domain in host.domains()]
    assert len(host.problems) == 1


@given(st.text(max_size=300) | st.text("ab='\"[],;+\\#\n 1", max_size=300))
def test_any_text_gives_a_topology_error_or_a_domain(text: str) -> None:
    try:
        xl_config.parse(text.encode("utf-8", "surrogatepass"), "a.cfg")
    except TopologyError:
        return
    assert "name" in text or text.lstrip().startswith("[")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 10**6, "a='" + "\\" * 10**6, "name = 'x'\n" + "\\\n" * 10**6, "#" * 10**6]
)
def test_long_files_take_no_longer_than_they_are(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(TopologyError):
        xl_config.parse(text.encode() + b"\n!", "a.cfg")
    assert time.monotonic() - began < 20
