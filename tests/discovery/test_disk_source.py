"""No provider shows credentials or the query of a disk's source."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.command import COMMAND, vmiostat
from testkit.fakes.xenstored import FakeXenstored
from testkit.trees.libvirt import LibvirtTree
from testkit.trees.processes import ProcessTree
from vmiostat import Disk, Host
from vmiostat.discovery.xl import config as xl_config
from vmiostat.discovery.xml import domain as domain_xml
from vmiostat.disk_source import without_secrets

SECRETS = ("hunter2", "c2VjcmV0", "0xC0FFEE")
"""A password, a key and a token: in whatever is shown there is none of them."""

URL = "https://me:hunter2@example.org/disk.img?token=0xC0FFEE"

SOURCES = {
    URL: "https://example.org/disk.img",
    "HTTPS://me:hunter2@example.org:443/a#0xC0FFEE": "HTTPS://example.org:443/a",
    "https:/me:hunter2@example.org/a": "https:/example.org/a",
    "https:///me:hunter2@example.org/a": "https:///example.org/a",
    "https://me:hun@hunter2@example.org/a": "https://example.org/a",
    "https://me:hunter2/@example.org/a": "https://",
    "https://me:0?hunter2@example.org/a": "https://me:0",
    "https://me:hunter2": "https://",
    "https://me:1,a=hunter2@example.org/a": "https://example.org/a",
    "http://me:hunter2@[::1]:80/a": "http://[::1]:80/a",
    "http://me:hun\nhunter2@example.org/a": "http://example.org/a",
    "https:https://me:hunter2@example.org/a?0xC0FFEE": "https:https://example.org/a",
    "blkdebug:/etc/a.conf:https://me:hunter2@example.org/a?0xC0FFEE": "blkdebug:/etc/a.conf:https://example.org/a",
    "iscsi://me%hunter2@example.org:3260/iqn.2001-05.org:a/1": "iscsi://example.org:3260/iqn.2001-05.org:a/1",
    "rbd:pool/image@snap:id=admin:key=c2VjcmV0:mon_host=a": "rbd:pool/image@snap",
    "rbd:pool/image\\:a:key=c2VjcmV0": "rbd:pool/image\\:a",
    "nbd:example.org:10809:exportname=a": "nbd:example.org:10809:exportname=a",
    'json:{"driver": "https", "password-secret": "hunter2"}': "json:...",
    'qcow2:json:{"file.cookie": "hunter2"}': "qcow2:json:...",
    "portal=192.0.2.1:3260,authmethod=CHAP,user=me,password=hunter2,iqn=iqn.2001-05.org:a": (
        "portal=192.0.2.1:3260,iqn=iqn.2001-05.org:a"
    ),
    "3260,user=hunter2,password=c2VjcmV0": "3260",
    f"file.driver=https,file.url={URL},file.cookie=hunter2,file.password-secret=c2VjcmV0": (
        "file.driver=https,file.url=https://example.org/disk.img"
    ),
    "url=url=https://me:hunter2@example.org/a": "url=url=https://example.org/a",
    "header=hunter2": "...",
    "iqn=iqn.2001-05:x,portal=y:1": "iqn=iqn.2001-05:x,portal=y:1",
    "0000:01:00.0 namespace 1": "0000:01:00.0 namespace 1",
    "disk#1.img": "disk#1.img",
    "pool/volume": "pool/volume",
    "//me:hunter2@example.org/a": "//example.org/a",
    "//dev/vg/a": "//dev/vg/a",
    "/srv/a?b:key=c@d": "/srv/a?b:key=c@d",
    "./https://a@b?c": "./https://a@b?c",
    "": "",
}
"""What is shown of each."""


def test_what_is_shown_of_a_source() -> None:
    shown = {source: Disk("vda", source=source).source for source in SOURCES}
    assert shown == SOURCES
    assert not [text for text in shown.values() for secret in SECRETS if secret in str(text)]


def no_secret(text: str) -> str:
    assert text
    assert not [secret for secret in SECRETS if secret in text]
    return text


@pytest.mark.parametrize("long", [":/", "://a", "a=,", "url=", "x:json:", ":/a@", ",a", "a.", "://:", "[:,"])
def test_a_long_source_takes_no_long_time(long: str) -> None:
    start = time.monotonic()
    for begin in ("", "x:", "a="):
        without_secrets(begin + long * 100_000)
    assert time.monotonic() - start < 10


@given(st.text(), st.text())
def test_what_is_shown_needs_no_second_pass_for_a_user(before: str, after: str) -> None:
    assert "hunter2@" not in without_secrets(f"x:{before}://me:hunter2@{after}")


XML = f"""<domain type='kvm' id='1'><name>web1</name><devices>
<disk type='network'><source protocol='https' name='//me:hunter2@a/x?token=0xC0FFEE'/><target dev='vda'/></disk>
<disk type='network'><source protocol='rbd' name='pool/a:key=c2VjcmV0'/><target dev='vdb'/></disk>
<disk type='file'><source file='{URL}'/><target dev='vdc'/></disk>
<disk type='block'><source dev='{URL}'/><target dev='vdd'/></disk>
<disk type='volume'><source pool='https://me:hunter2@a' volume='b?0xC0FFEE'/><target dev='vde'/></disk>
<disk type='unheard-of'><source file='{URL}'/><target dev='vdf'/></disk>
<disk type='file'><source file='{URL}'/></disk>
<disk type='file'><source file='{URL}'/><target dev='vda'/></disk>
</devices></domain>"""


def test_libvirt_xml() -> None:
    found = domain_xml.parse(XML.encode(), "web1.xml")
    assert len(found.domain.disks) == 6
    assert len(found.problems) == 2
    no_secret(f"{found!r} {[str(problem) for problem in found.problems]}")


def test_every_surface_of_the_command(tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path)
    disks = XML.partition("<devices>")[2].partition("</devices>")[0]
    tree.start("web1", disks=[disks])
    tree.process(4000, 1)
    (tmp_path / "web1.xml").write_text(XML)
    host = Host(tmp_path, xml=tmp_path / "web1.xml")
    with host.poller() as poller:
        no_secret(f"{poller.explain()} {poller.domains!r} {host.problems!r}")
        assert [no_secret(str(poller.problem("block", row))) for row in range(poller.block_rows)]
    for form in (["devices"], ["devices", "--json"], ["--json"]):
        no_secret(all_output(*form, "--root", tmp_path))
    no_secret(all_output("devices", "--xml", tmp_path / "web1.xml"))


def all_output(*arguments: str | Path) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


def test_xl(tmp_path: Path) -> None:
    config = f"""name = "web1"
disk = [ "vdev=xvda,target={URL}", "script=block-iscsi,vdev=xvdb,target=portal=a:1,user=me,password=hunter2",
         "{URL},raw,,w", "target=portal=a:1,password=hunter2", "{URL},raw,xvda,w", "/dev/a,raw,,w,password=hunter2" ]
"""
    found = xl_config.parse(config.encode(), "web1.cfg")
    assert [len(one.domain.disks) for one in found] == [2]
    assert [len(one.problems) for one in found] == [4]
    no_secret(f"{found!r} {[str(problem) for one in found for problem in one.problems]}")
    (tmp_path / "bad.cfg").write_text(f"name = 'a'\ndisk = [ 'a' '{URL}' ]\n")
    no_secret(vmiostat("--root", tmp_path, "--xml", tmp_path / "bad.cfg", status=1))
    listed = {"config": {"c_info": {"name": "a"}, "disks": [{"vdev": "xvda", "pdev_path": URL}]}, "domid": 1}
    no_secret(repr(xl_config.parse(json.dumps([listed]).encode(), "list")))


def test_xenstore(tmp_path: Path) -> None:
    backends = "/local/domain/0/backend"
    store = {"/local/domain/1/name": "web1", "/local/domain/1": "", "/local/domain": ""}
    params = (URL, "portal=a:3260,user=me,password=hunter2", "aio:json:{hunter2}", f"qcow2:{URL}")
    for number, text in enumerate(params):
        for kind in ("qdisk", "vbd"):
            store[f"{backends}/{kind}/1/{51712 + 16 * number + (kind == 'vbd')}/params"] = text
    xenstored = FakeXenstored(tmp_path / "run", store)
    try:
        (domain,) = Host(tmp_path).domains()
    finally:
        xenstored.close()
    assert len(domain.disks) == 8
    no_secret(repr(domain))


WORDS = [
    ["kvm", "-drive", f"file={URL}", "-drive", 'file=json:{"driver":"https",,"url":"' + URL + '"}'],
    ["kvm", "-drive", f"driver=https,file.url={URL},file.cookie=hunter2,file.password-secret=c2VjcmV0"],
    ["kvm", "-drive", f"file.driver=https,file.url={URL},file.cookie=hunter2,file.username=hunter2"],
    ["kvm", "-blockdev", f"driver=https,node-name=a,url={URL},cookie=hunter2", "-device", "virtio-blk,drive=a"],
    [
        "kvm",
        "-blockdev",
        '{"driver":"rbd","node-name":"a","pool":"p","image":"i:key=c2VjcmV0"}',
        "-device",
        "a,drive=a",
    ],
    ["kvm", "-hda", "rbd:pool/image:id=admin:key=c2VjcmV0", "-cdrom", "iscsi://me%hunter2@a/iqn.2001-05:a/1"],
    ["kvm", f"blkdebug::{URL}"],
    ["kvm", "-blockdev", f"driver=file,node-name=a,filename={URL}", "-device", "virtio-blk,drive=a"],
    ["cloud-hypervisor", "--disk", f"path={URL}"],
    ["crosvm", "run", "--block", f"path={URL}"],
]


@pytest.mark.parametrize("words", WORDS)
def test_command_lines(words: list[str], tmp_path: Path) -> None:
    tree = ProcessTree(tmp_path)
    tree.process(500, words)
    host = Host(tree.root)
    (domain,) = host.domains()
    assert domain.disks
    no_secret(f"{domain!r} {host.problems!r}")
    no_secret(all_output("devices", "--root", tmp_path))
