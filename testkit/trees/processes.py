"""A made /proc with processes, as root sees them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from vmiostat import Roots

OWN = "net:[1]"
"""The machine's own network namespace."""


def net_dev(*names: str) -> str:
    return "Inter-|\n face |\n" + "".join(f"{name:>6}: {' '.join(map(str, range(16)))}\n" for name in names)


class ProcessTree:
    """A /proc below `root`. A process's open files are given by descriptor."""

    def __init__(self, root: Path, *interfaces: str) -> None:
        self.root = root
        self.write("proc/net/dev", net_dev(*interfaces))
        self.link("proc/1/ns/net", OWN)
        self.write("proc/2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0\n")

    @property
    def roots(self) -> Roots:
        return Roots(self.root)

    def process(
        self,
        pid: int,
        words: Sequence[str],
        opened: Mapping[int, str] | None = None,
        taps: Mapping[int, str] | None = None,
        *,
        name: str = "a (sly) name)",
        state: str = "S",
        parent: int = 0,
        namespace: str = OWN,
        read_only: Sequence[int] = (),
    ) -> None:
        """A process that started `pid` ticks after boot."""
        numbers = " ".join(["0"] * 17)
        self.write(f"proc/{pid}/stat", f"{pid} ({name}) {state} {parent} {numbers} {pid} 0 0\n")
        self.write(f"proc/{pid}/comm", f"{name[:15]}\n")
        self.write(f"proc/{pid}/cmdline", "".join(f"{word}\0" for word in words))
        self.link(f"proc/{pid}/ns/net", namespace)
        (self.root / f"proc/{pid}/fd").mkdir(exist_ok=True)
        for number, path in [*(opened or {}).items(), *((number, "/dev/net/tun") for number in taps or {})]:
            self.link(f"proc/{pid}/fd/{number}", path)
            flags = os.O_RDONLY if number in read_only else os.O_RDWR
            tap = f"iff:\t{taps[number]}\n" if taps and number in taps else ""
            self.write(f"proc/{pid}/fdinfo/{number}", f"pos:\t0\nflags:\t0{flags | os.O_CLOEXEC:o}\nmnt_id:\t9\n{tap}")

    def disk(self, name: str, number: str) -> None:
        """A block device."""
        self.write(f"sys/class/block/{name}/dev", f"{number}\n")

    def write(self, path: str, text: str) -> None:
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(os.fsencode(text))

    def link(self, path: str, to: str) -> None:
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.unlink(missing_ok=True)
        made.symlink_to(to)
