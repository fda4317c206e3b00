"""How much discovery takes of what others can make without end: names, devices, descriptors, processes, problems.

What goes beyond is cut, and a problem says so.
"""

from collections.abc import Sequence

from vmiostat.errors import Error, TopologyError

NAME_BYTES = 255
"""Of a VM or device: libvirt's domains are named like their files, and a file's name has no more (NAME_MAX)."""
SOURCE_BYTES = 4096
"""Of what backs a device: a path has no more (PATH_MAX)."""
DEVICES = 1024
"""Disks and interfaces of a VM: QEMU's machines with most slots (PCI bridges, virtio-scsi) are used with hundreds."""
DEVICES_OF_A_USER = 2048
"""Of the machines found by their processes, of one user other than root: each has a row that every poll reads."""
DESCRIPTORS = 4096
"""Of a process, those probed for devices: a disk has one or two, an interface one for each queue."""
OPEN_FILES = 16_384
"""Of a process, the lowest that are listed: a virtual machine with many queues has thousands of eventfds."""
SCAN_TIME_OF_A_USER = 0.5
"""Seconds of CPU time that one scan spends on the processes of one user other than root: it spends some 0.05 ms on a
process, and a millisecond on a virtual machine.
"""
MACHINES = 10_000
"""Found by their processes: a host has memory for fewer."""
MACHINES_OF_A_USER = 1024
"""Found by their processes, of one user other than root: no user can crowd out the others' VMs. Some hosts run all of
them as one user (`-runas`)."""
PROBLEMS = 20
"""Of one scan: no user can hide a problem in a flood of others."""
PROBLEM_LETTERS = 2000
"""Of a problem, which may quote names."""


class LimitReached(TopologyError):
    """Something is left out. It is the same problem while `limit` is the same, however the numbers in it change."""

    def __init__(self, reason: str, path: str, limit: str) -> None:
        super().__init__(reason, path)
        self.limit = limit

    def __reduce__(self) -> tuple[type[TopologyError], tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.reason, self.path, self.limit)


def cut_name(name: str, most: int = NAME_BYTES) -> str:
    """The name; if it has more bytes, its beginning and 8 hexadecimal digits of a hash of all of it.

    >>> cut_name("web1"), len(cut_name("x" * 1000))
    ('web1', 255)
    """
    if 4 * len(name) <= most:
        return name
    data = name.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return name
    from hashlib import sha256  # costs every start a few milliseconds

    return data[: most - 9].decode("utf-8", "ignore") + "~" + sha256(data).hexdigest()[:8]


def cut_problems(problems: Sequence[Error]) -> tuple[Error, ...]:
    """The first problems, and one that counts the others."""
    first = tuple(map(cut_problem, problems[:PROBLEMS]))
    more = len(problems) - PROBLEMS
    return first if more <= 0 else (*first, LimitReached(f"and {more} more problems", "/proc", "problems"))


def cut_problem(problem: Error) -> Error:
    """The problem; if it is too long, its beginning."""
    text = str(problem)
    return problem if len(text) <= PROBLEM_LETTERS else Error(text[:PROBLEM_LETTERS] + "...")
