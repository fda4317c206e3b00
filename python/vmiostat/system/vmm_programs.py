"""Which programs are VMMs, by the names under which distributions install them."""

from fnmatch import fnmatchcase

PROGRAMS = {
    "qemu": (
        "qemu-system-*",
        ".qemu-system-*-wrapped",  # by NixOS and Guix
        "xen-qemu-system-*",
        "qemu-virtiofs-system-*",
        "qemu-kvm",
        "qemu-dm",
        "kvm",
        "kvm-spice",
        "qemu",
    ),
    "cloud-hypervisor": (
        "cloud-hypervisor",
        "cloud-hypervisor-static",
        "cloud-hypervisor-static-aarch64",
        "cloud-hypervisor-v[0-9]*",
    ),
    "firecracker": ("firecracker", "firecracker-v[0-9]*"),
    "crosvm": ("crosvm",),
}
"""Patterns of names. A name that only begins with a VMM's is another program: firecracker-containerd."""

_COMM_SIZE = 15
"""Bytes of a program's name that the kernel keeps in /proc/PID/comm (TASK_COMM_LEN, with a final zero byte)."""


def vmm(program: str) -> str | None:
    """The VMM that a program of this name is.

    >>> vmm("firecracker-v1.13.1-x86_64"), vmm("firecracker-containerd"), vmm("qemu-img")
    ('firecracker', None, None)
    """
    return next(
        (name for name, patterns in PROGRAMS.items() if any(fnmatchcase(program, one) for one in patterns)), None
    )


def is_short_for_a_vmm(comm: str) -> bool:
    """Whether a process calls itself like a VMM, as far as the kernel keeps the name.

    >>> is_short_for_a_vmm("cloud-hyperviso"), is_short_for_a_vmm("firecracker-con")
    (True, False)
    """
    return any(_is_short_for(comm, pattern) for patterns in PROGRAMS.values() for pattern in patterns)


def _is_short_for(comm: str, pattern: str) -> bool:
    head, star, _ = pattern.partition("*")
    fixed = head.partition("[")[0]
    return comm == fixed[:_COMM_SIZE] if len(fixed) >= _COMM_SIZE else fnmatchcase(comm, head + star)
