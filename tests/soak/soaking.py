"""Polls a hundred times a second while devices come and go, and writes down what that takes of the machine."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from testkit.real.devices import Loop, Tap, make_veths, remove_interface
from testkit.real.domain import write_domain
from testkit.real.own_number import OWN_NUMBER
from testkit.real.process import descriptors, resident_bytes
from tests.soak.followed_guest import FollowedGuest
from vmiostat import Host, Poller, Sample
from vmiostat.counter_sources import InterfaceSource

POLL_EVERY = 0.01
ROUND_EVERY = 0.2
"""Seconds between two changes of the machine."""
NEW_POLLER_EVERY = 10
"""Rounds until everything is discovered and opened again from the start."""

STEADY = "tap0"
COMING_AND_GOING = ("tap1", "tap2", "ve0")
IDLE = [f"idle{n}" for n in range(150)]
"""So many that netlink asked by a thread is the cheapest way."""

BIN = 1e-5
BINS = 10_000


@dataclass
class Figures:
    """What was seen."""

    polls: int = 0
    rounds: int = 0
    states: "Counter[str]" = field(default_factory=Counter)
    """Of the rows of devices that come and go."""
    followed: "Counter[str]" = field(default_factory=Counter)
    """Of the rows of the poller that follows and asks."""
    frames: int = 0
    """Sent through the steady interface."""
    memory: dict[int, int] = field(default_factory=dict)
    """Resident bytes at the end of each sixtieth of the time, after the warm-up: to keep more would take memory."""
    held: set[tuple[int, int]] = field(default_factory=set)
    """Open descriptors and threads after such a round."""
    left: set[str] = field(default_factory=set)
    """Threads of vmiostat's after everything was closed."""
    durations: list[int] = field(default_factory=lambda: [0] * BINS)
    """Polls of the first poller, by their duration in steps of `BIN` seconds; the last has all that took longer."""

    def memory_grown(self) -> int:
        """Bytes between the medians of the first and of the last tenth."""
        memory = list(self.memory.values())
        tenth = len(memory) // 10 + 1
        return round(median(memory[-tenth:]) - median(memory[:tenth]))

    def duration(self, share: float) -> float:
        """Seconds that this share of polls took at most."""
        seen, wanted = 0, share * sum(self.durations)
        for bin_, count in enumerate(self.durations):
            seen += count
            if seen >= wanted:
                return (bin_ + 1) * BIN
        return BINS * BIN

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.polls:,} polls of five pollers, {self.rounds:,} rounds of devices that went and came back",
                f"memory: {min(self.memory.values()) / 1e6:.1f} to {max(self.memory.values()) / 1e6:.1f} MB "
                f"after the warm-up, {self.memory_grown() / 1e3:+.0f} kB from its first tenth to its last",
                "descriptors and threads: " + ", ".join(f"{files} and {threads}" for files, threads in self.held),
                f"a poll of {len(IDLE) + 4} interfaces and 2 disks: {self.duration(0.5) * 1e3:.2f} ms in the median, "
                f"{self.duration(0.999) * 1e3:.2f} ms in the slowest of 1,000",
                f"rows of devices that come and go: {dict(self.states)}",
                f"of the poller that follows and asks: {dict(self.followed)}",
            ]
        )


class ComingAndGoing:
    """Three interfaces and a disk that go and come back, round after round, beside two that stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.steady = Tap(STEADY)
        # Far from the numbers that the kernel gives by itself, one of which another process may take in between.
        self.disks = [Loop(folder / f"disk{n}", number=OWN_NUMBER + n) for n in range(2)]
        self._taps: list[Tap] = []
        make_veths([(name, f"peer-{name}") for name in IDLE])
        self._come()

    def _come(self) -> None:
        self._taps = [Tap("tap1"), Tap("tap2")]
        make_veths([("ve0", "ve1")])

    def _go(self) -> None:
        while self._taps:
            self._taps.pop().close()
        remove_interface("ve0")

    def round(self, number: int) -> None:
        self.steady.guest_sends(1, 60)
        self.disks[0].write(1)
        self._taps[0].guest_sends(1 + number % 5, 60)
        self._go()
        disk = self.disks.pop()
        disk.close()
        self.disks.append(Loop(self._folder / "disk1", number=disk.minor))
        self._come()

    def close(self) -> None:
        """Also of a round that failed half way. The veths go with their namespace."""
        devices: list[Tap | Loop] = [*self._taps, *self.disks, self.steady]
        for device in devices:
            device.close()


def check(sample: Sample, frames: int) -> "Counter[str]":
    """A row has all its numbers or none, those of steady devices are right; the states of the others."""
    states: Counter[str] = Counter()
    for name, nic in zip(sample.interface.devices, sample.interface, strict=True):
        if name == STEADY:
            # `frames` is what had been sent before the poll began.
            assert nic.state == "ok", nic
            assert nic.generation == 0, nic
            assert nic.tx_packets >= frames, nic
            continue
        if name in COMING_AND_GOING:
            states[nic.state] += 1
        assert nic.state in ("ok", "gone"), nic
        assert all(count == -1 for count in tuple(nic.v1)) if nic.state == "gone" else min(nic.v1) >= 0, nic
    steady, other = sample.block
    assert (steady.state, steady.generation) == ("ok", 0), steady
    assert other.state in ("ok", "gone"), other
    assert (other.wr_bytes == -1) == (other.state == "gone"), other
    states[other.state] += 1
    return states


def soak(seconds: float, sys: Path, folder: Path) -> Figures:
    """In the network namespace that `sys` shows. After a warm-up (a minute at most) everything should stay as it is."""
    figures, warm_up = Figures(), min(60.0, seconds / 3)
    before = set(threading.enumerate())
    machine = ComingAndGoing(folder)
    few = write_domain(folder, "few", bridge=[STEADY, *COMING_AND_GOING], disks=machine.disks)
    many = write_domain(folder, "many", bridge=[STEADY, *COMING_AND_GOING, *IDLE], disks=machine.disks)
    sources: dict[InterfaceSource, Path] = {"auto": many, "netlink": many, "proc": many, "sysfs": few}
    pollers = [Host(xml=xml, sys=sys).poller(interface_source=source) for source, xml in sources.items()]
    guest = FollowedGuest(folder, sys, STEADY)
    begun, ended = time.monotonic(), threading.Event()

    def change() -> None:
        while (now := time.monotonic() - begun) < seconds and not ended.is_set():
            if figures.rounds % NEW_POLLER_EVERY == 0:
                with Host(xml=many, sys=sys).poller() as poller:
                    poller.poll()
            machine.round(figures.rounds)
            has = COMING_AND_GOING[: figures.rounds % (len(COMING_AND_GOING) + 1)]
            guest.round(*has)
            figures.frames += 1
            seen = figures.polls + 2  # the one under way has perhaps not seen that devices went
            while figures.polls < seen and not ended.is_set():
                time.sleep(POLL_EVERY)
            for poller in pollers:
                poller.reopen()
            figures.rounds += 1
            if now > warm_up:
                figures.memory[int(60 * now / seconds)] = resident_bytes()
                if not (has or guest.stopped):  # else it holds their files, or a question is open
                    figures.held.add(held_at_rest(figures.held))
            time.sleep(max(0.0, ROUND_EVERY - (time.monotonic() - begun - now)))

    try:
        with failing_together(change) as raised:
            try:
                poll_until(begun + seconds, pollers, guest, figures, raised)
            finally:
                ended.set()
    finally:
        for poller in pollers:
            poller.close()
        guest.close()
        machine.close()
    left = set(threading.enumerate()) - before
    figures.left = {thread.name for thread in left if thread.name.startswith("vmiostat")}
    return figures


def held_at_rest(known: set[tuple[int, int]]) -> tuple[int, int]:
    """Open descriptors and threads while no look, no question and no end of a thread is under way.

    For a moment there may be more of them, or fewer: a restarted QEMU has no rows before it is found. What
    was seen at rest before is taken as soon as it is there again, else what there is most often within a second.
    """
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(100):
        now = descriptors_and_threads()
        if now in known:
            return now
        seen[now] += 1
        time.sleep(POLL_EVERY)
    return seen.most_common(1)[0][0]


def descriptors_and_threads() -> tuple[int, int]:
    return descriptors(), len(list(Path("/proc/self/task").iterdir()))


@contextmanager
def failing_together(work: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Runs the work in a thread; what it raises is raised here at the end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join()
    if raised:
        raise raised[0]


def poll_until(
    end: float, pollers: list[Poller], guest: FollowedGuest, figures: Figures, raised: list[BaseException]
) -> None:
    before: list[Sample | None] = [None] * len(pollers)
    due = time.monotonic()
    while (start := time.monotonic()) < end and not raised:
        frames = figures.frames
        samples = [pollers[0].poll()]
        figures.durations[min(int((time.monotonic() - start) / BIN), BINS - 1)] += 1
        samples += [poller.poll() for poller in pollers[1:]]
        figures.followed.update(guest.check(guest.poller.poll(), frames))
        # One of them is looked at, in turn: to look at all would be most of the work.
        at = figures.polls % len(pollers)
        figures.states.update(check(samples[at], frames))
        if (earlier := before[at]) is not None:
            for rate in samples[at].rates(earlier).interface:
                assert rate.rx_bytes is None or rate.rx_bytes >= 0, rate
        before[at] = samples[at]
        figures.polls += 1
        due = max(due + POLL_EVERY, start)
        time.sleep(max(0.0, due - time.monotonic()))
