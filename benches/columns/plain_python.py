"""What a script does that knows the kernel's files: open, read, close, split. No worse than it has to be."""

from collections.abc import Collection

Numbers = tuple[int, ...]


class KeptOpen:
    """A file that is opened once and read each time."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 (open as long as its owner lives)

    def read(self) -> bytes:
        self._file.seek(0)
        return self._file.readall()

    def __del__(self) -> None:
        self._file.close()


def interfaces(names: Collection[str]) -> dict[str, Numbers]:
    """The 16 numbers of each watched line of /proc/net/dev."""
    with open("/proc/net/dev", "rb") as file:  # noqa: PTH123 (a Path would only make it slower)
        return net_dev(file.read(), names)


def net_dev(text: bytes, names: Collection[str]) -> dict[str, Numbers]:
    """The same from the file's text."""
    found = {}
    for line in text.decode().splitlines()[2:]:
        name, _, numbers = line.rpartition(":")
        name = name.strip()
        if name in names:
            found[name] = tuple(map(int, numbers.split()))
    return found


def disks_of_diskstats(names: Collection[str]) -> dict[str, Numbers]:
    """The numbers of each watched line of /proc/diskstats."""
    with open("/proc/diskstats", "rb") as file:  # noqa: PTH123
        return diskstats(file.read(), names)


def diskstats(text: bytes, names: Collection[str]) -> dict[str, Numbers]:
    """The same from the file's text."""
    found = {}
    for line in text.decode().splitlines():
        words = line.split()
        if words[2] in names:
            found[words[2]] = tuple(map(int, words[3:]))
    return found


def disks_of_stat_files(names: Collection[str]) -> dict[str, Numbers]:
    """The numbers of each watched disk's own file."""
    found = {}
    for name in names:
        with open(f"/sys/block/{name}/stat", "rb") as file:  # noqa: PTH123
            found[name] = tuple(map(int, file.read().split()))
    return found
