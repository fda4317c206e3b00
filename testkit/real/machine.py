"""A machine with two guests on real devices: what vmiostat finds, and a known number of frames to send through it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from testkit.real.devices import UNHEARD, Listener, Loop, Tap, host_sends, make_veths, set_up
from testkit.real.domain import write_domain

# An interface's counters as the host has them after `Machine.send_frames`, in the order of the struct:
#            rx: bytes, packets, errs, drop         tx: bytes, packets, errs, drop
SENT = {
    "tap0": (10 * 100 + 3 * 60, 10 + 3, 0, 3, 7 * 200, 7, 0, 0),
    "tap1": (20 * 1514, 20, 0, 2, 0, 0, 0, 0),
    "tap2": (0, 0, 0, 0, 4 * 64, 4, 0, 6),
    "ve0": (9 * 66, 9, 0, 0, 5 * 80, 5, 0, 0),
    "ve1": (5 * 80, 5, 0, 5, 9 * 66, 9, 0, 0),
}
DOMAINS = {"guest": ("tap0", "tap1", "tap2"), "container": ("ve0", "ve1")}


@dataclass
class Machine:
    """Three taps and two disks of the domain `guest`, a veth pair of the domain `container`."""

    xml: Path
    sys: Path
    taps: list[Tap]
    loops: list[Loop]

    def send_frames(self) -> None:
        """Makes SENT true."""
        tap0, tap1, tap2 = self.taps
        tap0.guest_sends(10, 100)
        tap0.guest_sends(3, 60, UNHEARD)  # nobody on the host takes them: dropped
        host_sends("tap0", 7, 200)
        assert tap0.guest_receives() == [200] * 7

        tap1.guest_sends(20, 1514)
        set_up("tap1", up=False)
        for _ in range(2):  # a tap that is down refuses frames, and counts them as dropped
            with pytest.raises(OSError, match="Input/output error"):
                tap1.guest_sends(1, 60)

        host_sends("tap2", 10, 64)  # its queue holds 4
        assert tap2.guest_receives() == [64] * 4

        host_sends("ve0", 5, 80)
        host_sends("ve1", 9, 66)


@contextmanager
def made_machine(sys: Path, folder: Path) -> Iterator[Machine]:
    """In the network namespace that `sys` shows; files go into the folder."""
    with ExitStack() as stack:
        taps = [stack.enter_context(Tap(f"tap{n}", queue=4 if n == 2 else None)) for n in range(3)]
        make_veths([("ve0", "ve1")])
        for name in ("tap0", "tap1", "ve0"):
            stack.enter_context(Listener(name))
        loops = [stack.enter_context(Loop(folder / f"disk{n}")) for n in range(2)]
        xml = folder / "xml"
        xml.mkdir()
        write_domain(xml, "guest", bridge=["tap0", "tap1"], ethernet=["tap2"], disks=loops)
        write_domain(xml, "container", kind="lxc", bridge=["ve0", "ve1"])
        yield Machine(xml, sys, taps, loops)
