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
"""What this machine needs: to make the machines and to run them, and what runs inside, where its root is to be seen."""

KERNEL = "linux-image-amd64"
"""The one for virtual machines has neither 9p nor most drivers."""

SUITES = {
    "6.1": "bookworm",
    "6.12": "bookworm-backports",
    "newest": "trixie-backports",
}
"""The lab's kernels: where each one comes from."""

FIRST_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
"""What a machine needs to see its root, and to be told anything."""

MODULES = ("virtio_blk", "virtio_scsi", "sd_mod", "nvme", "fuse", "loop", "tun")
"""What it loads then: no udev does. All others are there for modprobe; the kernel loads most of them when needed."""
