"""What tests find in a machine: disks of all kinds, drivers of virtual devices, watchdogs, unprivileged users."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernels.disks import disks
from tests.kernels.hanging_fuse import NOBODY

LINKS = {
    "dummy": ["type", "dummy"],
    "veth": ["type", "veth", "peer", "name", "peer0"],
    "ifb": ["type", "ifb"],
    "bridge": ["type", "bridge"],
    "vxlan": ["type", "vxlan", "id", "7", "dstport", "4789"],
    "macvtap": ["link", "under0", "type", "macvtap"],
    "tap": [],
}


def run(*words: object) -> str:
    """Runs a program; what it printed. Fails with what it said."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))} failed ({done.returncode}): {done.stderr or done.stdout}"
    return done.stdout


@pytest.mark.parametrize(("serial", "paths"), [("virtio", 1), ("scsi", 2), ("nvme", 1), ("nvme-shared", 1)])
def test_disks(serial: str, paths: int) -> None:
    found = disks(serial)
    assert len(found) == paths
    for disk in found:
        assert Path(f"/sys/block/{disk}/size").read_text() == f"{64 << 11}\n"
        run("dd", "if=/dev/zero", f"of=/dev/{disk}", "bs=64k", "count=1", "oflag=direct")


def test_an_nvme_disk_has_two_controllers() -> None:
    (disk,) = disks("nvme-shared")
    controllers = Path(f"/sys/block/{disk}/device").glob("nvme*/transport")
    assert len(list(controllers)) == 2


@pytest.mark.parametrize("kind", LINKS)
def test_interfaces(kind: str) -> None:
    with under0():
        if kind == "tap":
            run("ip", "tuntap", "add", "made0", "mode", "tap")
        else:
            run("ip", "link", "add", "made0", *LINKS[kind])
        assert Path("/sys/class/net/made0/statistics/rx_bytes").read_text() == "0\n"
        run("ip", "link", "del", "made0")


@contextmanager
def under0() -> Iterator[None]:
    """An interface that others can be on top of."""
    run("ip", "link", "add", "under0", "type", "dummy")
    try:
        yield
    finally:
        run("ip", "link", "del", "under0")


@pytest.mark.parametrize(
    "table",
    [
        "0 1024 linear /dev/{virtio[0]} 0",
        f"0 1024 crypt aes-xts-plain64 {'0' * 64} 0 /dev/{{virtio[0]}} 0",
        "0 131072 multipath 0 0 2 1 round-robin 0 1 1 /dev/{scsi[0]} 1 round-robin 0 1 1 /dev/{scsi[1]} 1",
    ],
    ids=["linear", "crypt", "multipath"],
)
def test_device_mapper(table: str) -> None:
    run("dmsetup", "create", "made", "--table", table.format(virtio=disks("virtio"), scsi=disks("scsi")))
    try:
        run("dd", "if=/dev/mapper/made", "of=/dev/null", "bs=4k", "count=4", "iflag=direct")
    finally:
        run("dmsetup", "remove", "made")


def test_md() -> None:
    mirrored = [f"/dev/{disk}" for disk in disks("virtio") + disks("nvme")]
    # Without metadata nothing is left on the disks.
    run("mdadm", "--build", "/dev/md7", "--level=1", "--raid-devices=2", "--assume-clean", *mirrored)
    try:
        run("dd", "if=/dev/md7", "of=/dev/null", "bs=4k", "count=4", "iflag=direct")
    finally:
        run("mdadm", "--stop", "/dev/md7")


def test_watchdogs() -> None:
    """The machine's own one, and the kernel's: none is opened, which would start it."""
    run("modprobe", "-a", "i6300esb", "softdog")
    names = {(found / "identity").read_text().strip() for found in Path("/sys/class/watchdog").iterdir()}
    assert names == {"i6300ESB timer", "Software Watchdog"}
    run("modprobe", "-r", "-a", "i6300esb", "softdog")


def test_nobody_is_root_in_a_user_namespace() -> None:
    mounts = "mount -t tmpfs none /srv && mkdir /srv/a /srv/b && mount -t overlay -o lowerdir=/srv/a:/srv/b none /mnt"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"{mounts} && id -u"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_what_is_written_stays_inside() -> None:
    for folder in ("/etc", "/var/lib", "/usr/bin", "/root"):
        file = Path(folder, "written-in-the-lab")
        file.write_text("written")
        assert file.read_text() == "written"
        file.unlink()
    with pytest.raises(OSError, match="Read-only"):
        Path("/usr/lib/modules/written").write_text("")
