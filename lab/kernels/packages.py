"""The Debian packages that the lab is made of."""

HERE = (
    "qemu-system-x86",
    "qemu-utils",
    "busybox-static",
    "kmod",
    "zstd",
    "debian-archive-keyring",
    "iproute2",
    "mount",
    "dmsetup",
    "mdadm",
    "strace",
)
"""What this machine needs to boot the machines, and what tests run in them: their root is this machine's."""

KERNEL = "linux-image-amd64"
"""Debian's kernel for virtual machines (cloud-amd64) has no 9p and few drivers."""

SUITES = {
    "6.1": "bookworm",
    "6.12": "bookworm-backports",
    "newest": "trixie-backports",
}
"""The lab's kernels, and the suite of each."""

FIRST_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
"""What a machine needs to mount its root and to take commands."""

MODULES = ("virtio_blk", "virtio_scsi", "sd_mod", "nvme", "fuse", "loop", "tun")
"""What it loads next, as udev would. All others are there for modprobe; the kernel loads most of them when needed."""
