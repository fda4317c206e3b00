"""All that a guest reads and writes, as the kernel counts it: also of a disk that is a file."""

import pytest

from lab.kvm.running_lab import RunningLab
from vmiostat import Host

SIZE, MANY = 65536, 16


@pytest.mark.parametrize("disk", ["vda", "sda"], ids=["block device", "file"])
def test_it_counts_every_byte_of_a_disk_that_is_not_cached(lab: RunningLab, host: Host, disk: str) -> None:
    vm1 = host.domain(lab.RICH)
    assert vm1.total is not None
    with lab.quiet():
        start = vm1.block_stats("total")
        lab.guest(f"dd if=/dev/zero of=/dev/{disk} bs={SIZE} count={MANY} oflag=direct conv=notrunc,fsync")
        written = vm1.block_stats("total")
        lab.guest(f"dd if=/dev/{disk} of=/dev/null bs={SIZE} count={MANY} iflag=direct")
        read = vm1.block_stats("total")
    # QEMU writes a page of its own now and then, to its log or to qcow2's tables.
    assert 0 <= written.wr_bytes - start.wr_bytes - SIZE * MANY <= 65536
    assert 0 <= read.rd_bytes - written.rd_bytes - SIZE * MANY <= 65536
    assert written.rd_bytes - start.rd_bytes <= 65536
    assert read.wr_bytes - written.wr_bytes <= 65536
    assert vm1.block_stats("") >= read  # libvirt's name for the same


def test_a_disk_that_nobody_can_count_alone_says_so(lab: RunningLab, host: Host) -> None:
    vm1 = host.domain(lab.RICH)
    [disk] = [disk for disk in vm1.disks if disk.target == "sda"]
    assert disk.counter_source is None
    assert "only QEMU" in disk.reason
