"""The machine that is measured: a network namespace and loop devices of the run's own.

It grows from step to step, since removing what was made takes longer than making it.
"""

import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benches.cargo import built
from testkit.real.devices import Loop, Tap, host_sends
from testkit.real.domain import write_domain
from testkit.real.needs import own_network
from vmiostat import Host

GROUP = 7
"""The device group of all interfaces made here: so one command removes them all."""
BUSY = 50
"""So many taps and veths carry frames at each step: the others' numbers are all zero."""


class Machine:
    """What is polled is all `interfaces` and all `loops`; `floor` is the program of benches/floor."""

    def __init__(self, folder: Path, sys: Path, floor: Path, stack: ExitStack) -> None:
        self.folder, self.sys, self.floor = folder, sys, floor
        self.interfaces: list[str] = []
        self.loops: list[Loop] = []
        self._stack = stack

    def grow(self, interfaces: int, disks: int) -> None:
        """Up to so many of each: of ten interfaces eight are taps and two a pair of veths."""
        new = range(len(self.interfaces), interfaces)
        pairs = [(f"ve{at}", f"peer{at}") for at in new if at % 10 == 8 and at + 1 < interfaces]
        taps = [f"tap{at}" for at in new][: len(new) - 2 * len(pairs)]
        make_taps(GROUP, taps)
        make_veths(GROUP, pairs)
        for number, name in enumerate(taps[:BUSY]):
            with Tap(name) as tap:
                tap.guest_sends(number % 9, 60 + number)
        for number, (name, _) in enumerate(pairs[:BUSY]):
            host_sends(name, number % 9, 60 + number)
        self.interfaces += [*taps, *(name for pair in pairs for name in pair)]
        for number in range(len(self.loops), disks):
            loop = Loop(self.folder / f"disk{number}")
            self.loops.append(loop)
            loop.write(number % 7)
            loop.read(number % 5)

    def host(self, interfaces: list[str], loops: list[Loop]) -> Host:
        """One domain with these devices, seen as the host sees them."""
        folder = self.folder / f"xml-{len(interfaces)}-{len(loops)}"
        folder.mkdir(exist_ok=True)
        xml = write_domain(folder, "container", kind="lxc", bridge=interfaces, disks=loops)
        return Host(xml=xml, sys=self.sys, view="host")

    def _remove(self) -> None:
        if self.interfaces:
            remove_group(GROUP)
        # Detaching a file waits for the kernel's readers each time; side by side they wait together.
        with ThreadPoolExecutor(32) as together:
            list(together.map(Loop.close, self.loops))


@contextmanager
def made_machine(folder: Path) -> Iterator[Machine]:
    """An empty one; its files go into the folder."""
    floor = built("benches/floor/Cargo.toml")  # first: in the namespace nothing can be downloaded
    with own_network(folder / "sys") as sys, ExitStack() as stack:
        machine = Machine(folder, sys, floor, stack)
        stack.callback(machine._remove)
        yield machine


def make_taps(group: int, names: list[str]) -> None:
    """Taps that stay, up, all in a device group."""
    _batch(f"tuntap add dev {name} mode tap\nlink set {name} up group {group}\n" for name in names)


def make_veths(group: int, pairs: list[tuple[str, str]]) -> None:
    """Pairs of veths, up, all in a device group."""
    _batch(
        f"link add {one} up group {group} type veth peer name {other} group {group}\nlink set {other} up\n"
        for one, other in pairs
    )


def _batch(commands: Iterable[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="".join(commands), text=True, check=True)


def remove_group(group: int) -> None:
    """All interfaces of a group, in one hold of RTNL."""
    subprocess.run(["ip", "link", "del", "group", str(group)], check=True)
