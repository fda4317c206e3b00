"""The names of the network interfaces that a machine has, in the network namespace that its /proc/net/dev shows.

Not /sys/class/net: that shows the namespace in which /sys was mounted, which need not be the one that is counted.
"""

import os

from vmiostat._core import Roots

_NUMBERS = 16


def interface_names(roots: Roots) -> list[str]:
    """All names, in the kernel's order. Raises OSError."""
    lines = _net_dev(roots).splitlines()[2:]
    return [name for line in lines if (name := _name(line))]


def _name(line: bytes) -> str:
    """What stands before the colon that 16 numbers follow: old kernels allowed a colon in a name, too."""
    head, colon, numbers = line.rpartition(b":")
    return os.fsdecode(head.strip()) if colon and len(numbers.split()) == _NUMBERS else ""


def _net_dev(roots: Roots) -> bytes:
    descriptor = roots.open("/proc/net/dev")
    try:
        # The kernel hands out at most a page at a time.
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
    finally:
        os.close(descriptor)
