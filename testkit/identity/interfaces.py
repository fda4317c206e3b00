"""Interfaces that are renamed, replaced and moved, each with packets of its own size in both directions."""

import errno
import os
import random
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from testkit.identity.journal import Count, Device, Journal
from testkit.real.devices import disable_ipv6
from testkit.real.in_namespace import in_namespace
from testkit.real.rtnetlink import RouteSocket
from testkit.until import until

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20

NAMES = [f"eth{n}" for n in range(6)]
IDLE = [f"idle{n}" for n in range(150)]
"""So many that a dump in a thread is the cheapest route to them all."""
HERE, ELSEWHERE = "here", "elsewhere"
"""Two network namespaces: that of the test, and another one."""

Place = tuple[str, str]
"""A namespace and a name."""


class Interfaces:
    """One thread changes them. Its own namespace is HERE."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self._journal, self._random = journal, random.Random(seed)
        self._resources = ExitStack()
        self._numbers = count(1)
        self._wire = self._resources.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        # A new interface has a queue that drops all until the kernel's link watch gives it another one, a second later.
        self._wire.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        container = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._resources.callback(container.communicate)
        self._pid = container.pid
        self.elsewhere = Path(f"/proc/{container.pid}/ns/net")
        """The file of ELSEWHERE."""
        until(lambda: self.elsewhere.readlink() != Path("/proc/self/ns/net").readlink())
        in_namespace(self.elsewhere, disable_ipv6)
        self._routes = {HERE: RouteSocket(), ELSEWHERE: in_namespace(self.elsewhere, RouteSocket)}
        for route in self._routes.values():
            self._resources.callback(route.close)
        self._at: dict[Place, Device] = {}
        for name in IDLE:
            self._routes[HERE].make_veth(name, f"peer-{name}")
        for name in NAMES:
            self._make(name)
            self._move_to(name, HERE, ELSEWHERE)
            self._make(name)

    def close(self) -> None:
        self._resources.close()

    def change(self) -> str:
        """One change at random; says which."""
        change: Callable[[], object] = self._random.choice(
            [
                self._replace,
                self._replace_by_the_same_number,
                self._give_its_number_to_another_name,
                self._swap_names,
                self._rename_and_back,
                self._move,
                self._come_back,
                self._follow_in_turn,
            ]
        )
        change()
        self.send()
        return change.__name__

    def send(self) -> None:
        """Some more packets of some devices."""
        for name in self._random.sample(NAMES, 2):
            if (device := self._at.get((HERE, name))) is not None:
                self._send(device, name, self._random.randint(1, 4))

    # What can happen.

    def _replace(self) -> None:
        name = self._any_name()
        self._remove((HERE, name))
        self._make(name)

    def _replace_by_the_same_number(self) -> None:
        name = self._any_name()
        if (old := self._remove((HERE, name))) is not None:
            self._make(name, old.index)

    def _give_its_number_to_another_name(self) -> None:
        one, other = self._random.sample(NAMES, 2)
        removed = [self._remove((HERE, name)) for name in (one, other)]
        for name, old in zip((other, one), removed, strict=True):
            self._make(name, old.index if old is not None else 0)

    def _swap_names(self) -> None:
        one, other = self._random.sample(NAMES, 2)
        devices = [self._at.get((HERE, name)) for name in (one, other)]
        if devices[0] is not None and devices[1] is not None:
            self._rename(one, "between")
            self._rename(other, one)
            self._rename("between", other)

    def _rename_and_back(self) -> None:
        name = self._any_name()
        if (HERE, name) in self._at:
            self._rename(name, "away")
            self._rename("away", name)

    def _move(self) -> None:
        name = self._any_name()
        self._remove((ELSEWHERE, name))
        self._move_to(name, HERE, ELSEWHERE)

    def _come_back(self) -> None:
        name = self._any_name()
        if (ELSEWHERE, name) in self._at:
            self._remove((HERE, name))
            self._move_to(name, ELSEWHERE, HERE)

    def _follow_in_turn(self) -> None:
        """Two of one number and name, one after the other in the same namespace, as containers' eth0."""
        name = self._any_name()
        if (old := self._at.get((ELSEWHERE, name))) is None or (HERE, name) in self._at:
            return self._move()
        self._make(name, old.index)
        self._remove((ELSEWHERE, name))
        self._move_to(name, HERE, ELSEWHERE)
        return self._make(name)

    # What it consists of.

    def _any_name(self) -> str:
        return self._random.choice(NAMES)

    def _make(self, name: str, index: int = 0) -> None:
        """It gets its first packets under another name, or at once under its own."""
        number = next(self._numbers)
        first = name if self._random.random() < 0.3 else "new"
        route, peer = self._routes[HERE], f"peer{number}"
        counts = {counter: Count() for counter in ("tx_packets", "rx_packets")}
        sizes = {"tx_packets": 60 + number % 1400, "rx_packets": 60 + (number * 7 + 700) % 1400}
        device = Device(peer, index, counts, sizes)
        self._enter((HERE, first), device)
        try:
            device.index = route.make_veth(first, peer, index=index)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            device.index = route.make_veth(first, peer)  # the kernel has given the number to a peer meanwhile
        for end in (device.index, route.index_of(peer)):
            route.set_up(end)
        self._send(device, first, self._random.randint(5, 60))
        if first != name:
            self._rename(first, name)

    def _remove(self, place: Place) -> Device | None:
        device = self._at.get(place)
        if device is not None:
            device.ends_now()
            self._routes[place[0]].remove(device.index)
            self._left(place)
        return device

    def _rename(self, old: str, new: str) -> None:
        device = self._at[HERE, old]
        self._enter((HERE, new), device)
        self._routes[HERE].rename(device.index, new)
        self._left((HERE, old))

    def _move_to(self, name: str, source: str, target: str) -> None:
        if (device := self._at.get((source, name))) is None:
            return
        self._enter((target, name), device)
        self._routes[source].move(device.index, self._pid if target == ELSEWHERE else os.getpid())
        self._left((source, name))
        device.index = self._routes[target].index_of(name)  # another one, if its own was taken there
        self._routes[target].set_up(device.index)

    def _enter(self, place: Place, device: Device) -> None:
        assert place not in self._at, place
        self._journal.enters(place, device)
        self._at[place] = device

    def _left(self, place: Place) -> None:
        self._journal.has_left(place, self._at.pop(place))

    def _send(self, device: Device, name: str, packets: int) -> None:
        """From both ends, while it is HERE."""
        for counter, end, more in (("tx_packets", name, packets), ("rx_packets", device.name, packets + 3)):
            packet = b"\xff" * 6 + bytes(device.sizes[counter] - 6)
            device.counts[counter].begins(more)
            for _ in range(more):
                self._wire.sendto(packet, (end, 0))
            device.counts[counter].ends()
