"""The Debian packages that the lab is made of."""

SUITE = "bookworm"
XEN = "4.17"

HERE = ("qemu-system-x86", "qemu-utils", "mmdebstrap", "debian-archive-keyring", "e2fsprogs", "busybox-static", "kmod")
"""What this machine needs to make dom0 and to run it."""

HYPERVISOR = f"xen-hypervisor-{XEN}-amd64"
KERNEL = "linux-image-amd64"
"""The one for virtual machines has no backends."""

DOM0 = (
    f"xen-utils-{XEN}",
    "xen-utils-common",
    "qemu-system-xen",  # serves the disks that the kernel does not: qcow2, and all that libvirt calls file or qemu
    "qemu-utils",
    "libvirt-daemon",
    "libvirt-daemon-driver-xen",
    "libvirt-clients",
    "python3-libvirt",
    "python3-pip",
    "python3",
    "busybox-static",
    "iproute2",
    "kmod",
    "procps",
    "strace",
    "util-linux",
)
"""What dom0 consists of, beside the least that Debian can be."""

DOM0_MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_console", "ext4", "crc32c_generic"),
    *("xenfs", "xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-blkback", "xen-netback"),
    *("bridge", "loop", "tun", "dummy", "unix_diag"),
)
"""The modules that dom0's image has."""

FIRST_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
"""What dom0 needs to see its disk."""

GUEST_MODULES = ("xen-blkfront", "xen-netfront")
