"""What a script does that knows the kernel's files: open, read, close, split. No worse than it has to be."""

from collections.abc import Collection

Numbers = tuple[int, ...]


def interfaces(names: Collection[str]) -> dict[str, Numbers]:
    """The 16 numbers of each watched line of /proc/net/dev."""
    watched = set(names)
    found = {}
    with open("/proc/net/dev", "rb") as file:  # noqa: PTH123 (a Path would only make it slower)
        lines = file.read().decode().splitlines()
    for line in lines[2:]:
        name, _, numbers = line.rpartition(":")
        name = name.strip()
        if name in watched:
            found[name] = tuple(map(int, numbers.split()))
    return found


def disks_of_diskstats(names: Collection[str]) -> dict[str, Numbers]:
    """The numbers of each watched line of /proc/diskstats."""
    watched = set(names)
    found = {}
    with open("/proc/diskstats", "rb") as file:  # noqa: PTH123
        lines = file.read().decode().splitlines()
    for line in lines:
        words = line.split()
        if words[2] in watched:
            found[words[2]] = tuple(map(int, words[3:]))
    return found


def disks_of_stat_files(names: Collection[str]) -> dict[str, Numbers]:
    """The numbers of each watched disk's own file."""
    found = {}
    for name in names:
        with open(f"/sys/block/{name}/stat", "rb") as file:  # noqa: PTH123
            found[name] = tuple(map(int, file.read().split()))
    return found
