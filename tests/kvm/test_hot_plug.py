"""Two hundred times a NIC and a disk are plugged in and out under the same names, while somebody polls and polls.

Each device carries its round in its numbers: interface R receives frames of 100 + R bytes, disk R was written R + 1
blocks before it was plugged in. So every number that a poll shows tells whose it is.
"""

import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from lab.command import ip
from lab.kvm import loops
from lab.kvm.place import Place
from lab.kvm.running_lab import RunningLab
from testkit.measured import Measured
from testkit.polls import Poll, Polls
from testkit.real.devices import Loop
from testkit.real.in_namespace import Wire
from testkit.real.process import descriptors
from vmiostat import BlockRates, BlockStats, Host, InterfaceRates, InterfaceStats, Sample

RowOf = Callable[[Sample], InterfaceStats | BlockStats | None]

ROUNDS = 200
NIC, DISK = "khot0", "sdh"
LOOP = 500_000 + zlib.crc32(bytes(Place.chosen().folder)) % 100_000
"""The minor number of all disks: a number that is used again, too, and by nobody else."""
FRAMES = 5

NIC_XML = (
    f"<interface type='ethernet'><mac address='52:54:00:91:01:70'/><target dev='{NIC}'/>"
    # It takes packets without a driver, and so without waiting for the guest.
    "<model type='ne2k_pci'/></interface>"
)
DISK_XML = (
    "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>"
    f"<source dev='/dev/loop{LOOP}'/><target dev='{DISK}' bus='scsi'/></disk>"
)


@dataclass
class Plugged:
    """When a round's device could be seen: between the call that plugged it in and the one that took it out."""

    first: float
    at: float = 0.0
    last: float = float("inf")


def wait(what: Callable[[], bool], within: float = 10) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.003)


class HotPlug:
    """Plugs and unplugs vm1's devices, and writes down when."""

    def __init__(self, lab: RunningLab, connection: Any, folder: Path) -> None:
        self.interfaces: list[Plugged] = []
        self.disks: list[Plugged] = []
        self._lab = lab
        self._vm1 = connection.lookupByName(lab.RICH)
        self._image = folder / "hot.raw"
        self._status = lab.run / f"libvirt/qemu/{lab.RICH}.xml"
        self._descriptors = Path(f"/proc/{lab.pids()[lab.RICH]}/fd")

    def round(self, number: int, seen: Callable[[str], None]) -> None:
        """Plugs both in and out again; `seen` waits between until a device shows, or does not."""
        with Loop(self._image, number=LOOP, size=(ROUNDS + 1) * Loop.BLOCK) as loop:
            loop.write(number + 1)
            self._plug(self.interfaces, NIC_XML)
            self._plug(self.disks, DISK_XML)
            ip(self._lab.place.name, [f"link set {NIC} up"])
            with Wire(self._lab.namespace, NIC) as wire:
                wire.send(FRAMES, 100 + number)
            seen(NIC)
            seen(DISK)
            self._unplug(self.interfaces, NIC_XML, NIC)
            self._unplug(self.disks, DISK_XML, DISK)
            wait(lambda: loop.path not in self._open_in_qemu())
        wait(lambda: loops.remove(LOOP))  # libvirtd may have had a last look at it

    def _open_in_qemu(self) -> list[str]:
        paths = []
        for descriptor in self._descriptors.iterdir():
            with suppress(FileNotFoundError):
                paths.append(str(descriptor.readlink()))
        return paths

    def _plug(self, plugged: list[Plugged], xml: str) -> None:
        plugged.append(Plugged(first=time.monotonic()))
        self._vm1.attachDeviceFlags(xml)
        plugged[-1].at = time.monotonic()

    def _unplug(self, plugged: list[Plugged], xml: str, name: str) -> None:
        self._vm1.detachDeviceFlags(xml)
        # The file is written last; only then does nobody say any more that the disk is vm1's.
        wait(lambda: name not in self._status.read_text())
        plugged[-1].last = time.monotonic()


def nic(sample: Sample) -> InterfaceStats | None:
    number = row(sample.interface, NIC)
    return None if number is None else sample.interface[number]


def disk(sample: Sample) -> BlockStats | None:
    number = row(sample.block, DISK)
    return None if number is None else sample.block[number]


def row(table: Any, device: str) -> int | None:
    """The number of vm1's row of a device, None while there is none."""
    names = list(zip(table.domains, table.devices, strict=True))
    return names.index(found) if (found := (RunningLab.RICH, device)) in names else None


def round_of_nic(stats: InterfaceStats) -> int | None:
    """Whose numbers these are; None while nothing has come."""
    if stats.rx_packets == 0:
        assert stats.rx_bytes == 0
        return None
    size, rest = divmod(stats.rx_bytes, stats.rx_packets)
    assert rest == 0
    assert 1 <= stats.rx_packets <= FRAMES
    return size - 100


def round_of_disk(stats: BlockStats) -> int | None:
    """Whose numbers these are; None for 0: the kernel clears a disk's counters an instant before it removes it."""
    blocks, rest = divmod(stats.wr_bytes, Loop.BLOCK)
    assert rest == 0
    return blocks - 1 if blocks else None


@pytest.mark.timeout(300)
def test_no_number_ever_shows_under_the_wrong_device(
    lab: RunningLab, host: Host, connection: Any, tmp_path: Path, measured: Measured
) -> None:
    hot = HotPlug(lab, connection, tmp_path)
    open_files = []
    with host.follow() as poller, Polls(poller.poll) as polls:
        for number in range(ROUNDS):
            # Every third round is over before anybody could be sure to have seen it.
            hot.round(number, (lambda device: None) if number % 3 == 2 else shows(polls, number))
            if number >= 5:
                open_files.append(descriptors())
        polls.wait_for(lambda sample: nic(sample) is None and disk(sample) is None)
        at_the_end = descriptors()

    check(polls.seen, hot.interfaces, nic, round_of_nic)
    check(polls.seen, hot.disks, disk, round_of_disk)
    check_rates(polls.seen)
    check_others(polls.seen)
    assert at_the_end <= open_files[0], open_files
    late = [*delays(polls.seen, nic, hot.interfaces), *delays(polls.seen, disk, hot.disks)]
    measured(
        f"{ROUNDS} rounds of hot-plug under {len(polls.seen)} polls: shown after {median(late) * 1e3:.0f} ms, "
        f"at most {max(late) * 1e3:.0f} ms; longest poll {polls.longest() * 1e3:.1f} ms"
    )
    assert median(late) < 5


def shows(polls: Polls, number: int) -> Callable[[str], None]:
    """Waits until a poll shows this round's device whole."""

    def nic_shows(sample: Sample) -> bool:
        stats = nic(sample)
        return stats is not None and (stats.rx_packets, stats.rx_bytes) == (FRAMES, FRAMES * (100 + number))

    def disk_shows(sample: Sample) -> bool:
        stats = disk(sample)
        return stats is not None and stats.state == "ok" and round_of_disk(stats) == number

    def wait_for(device: str) -> None:
        polls.wait_for(nic_shows if device == NIC else disk_shows)

    return wait_for


def check(seen: list[Poll], plugged: list[Plugged], row_of: RowOf, round_of: Callable[[Any], int | None]) -> None:
    """Every number is that of the device that is plugged in, and each device has a generation of its own."""
    generations: dict[int, int] = {}
    for poll in seen:
        stats = row_of(poll.sample)
        if stats is None or stats.state != "ok" or (whose := round_of(stats)) is None:
            continue
        # Shown only while it is there: plugged in, or not yet known to be out.
        assert plugged[whose].first <= poll.ended
        assert poll.began <= plugged[whose].last + 0.5
        assert generations.setdefault(stats.generation, whose) == whose
    in_turn = [whose for _, whose in sorted(generations.items())]
    assert in_turn == sorted(in_turn)
    assert len(set(in_turn)) >= ROUNDS * 2 // 3


def check_rates(seen: list[Poll]) -> None:
    """From poll to poll and over a stretch in which many devices came and went: none is negative, none impossible."""
    far_apart = [(one, seen[n + 100]) for n, one in enumerate(seen[:-100]) if n % 20 == 0]
    for before, after in [*pairwise(seen), *far_apart]:
        rates = after.sample.rates(before.sample)
        for table in (rates.interface, rates.block):
            for one in table:
                assert all(value is None or value >= 0 for value in numbers_of(one))
        if (number := row(rates.interface, NIC)) is not None:
            received = rates.interface[number]
            if received.rx_bytes is not None and received.interval is not None:
                assert received.rx_bytes * received.interval <= FRAMES * (100 + ROUNDS) + 1
        if (number := row(rates.block, DISK)) is not None:
            assert rates.block[number].wr_bytes in (None, 0)  # nobody writes to it once it is plugged in


def numbers_of(rate: InterfaceRates | BlockRates) -> list[float | None]:
    names = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rd_bytes", "wr_bytes", "rd_req", "wr_req")
    return [getattr(rate, name, None) for name in names]


def check_others(seen: list[Poll]) -> None:
    """What was there all the time was read in every poll, and never was in doubt."""
    for domain, device in ((RunningLab.RICH, "vda"), (RunningLab.RICH, "keth0"), ("vm2", "vda")):
        kind = "interface" if device == "keth0" else "block"
        rows = [getattr(poll.sample, kind)[domain, device] for poll in seen]
        assert {one.state for one in rows} == {"ok"}
        assert len({one.generation for one in rows}) == 1


def delays(seen: list[Poll], row_of: RowOf, plugged: list[Plugged]) -> list[float]:
    """Seconds from the end of the call that plugged a device in to the first poll that had its row."""
    found = []
    polls = iter(seen)
    for device in plugged:
        for poll in polls:
            stats = row_of(poll.sample)
            if poll.began >= device.first and stats is not None and stats.state == "ok":
                if poll.began < device.last:
                    found.append(max(poll.ended - device.at, 0.0))
                break
    return found
