"""What each `ok` row of a poller claims, held against the journal."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testkit.identity.journal import Device, Journal

if TYPE_CHECKING:
    from vmiostat import BlockStats, InterfaceStats, Sample

    Row = BlockStats | InterfaceStats

BYTES = {"tx_packets": "tx_bytes", "rx_packets": "rx_bytes", "wr_req": "wr_bytes"}
"""The counter of the bytes that a counter's packets or requests had. `rd_bytes` is counted itself."""
LATE = 200_000_000
"""The kernel wakes the one who waits for a request before it counts the request."""


class WrongDevice(AssertionError):
    """A row has numbers that are not those of its device."""


@dataclass
class Claims:
    """Of one poller."""

    name: str
    journal: Journal
    places: Mapping[str, Hashable]
    """By the name of a row. Others are not checked."""
    pins: Mapping[Hashable, int] = field(default_factory=dict)
    """Pinned rows: the number of the device. The first one that has it is the only one that the row ever shows: whether
    it had been replaced before it was seen, no poller can know.
    """
    only_numbered: Collection[Hashable] = ()
    """Where no folder of /sys tells devices of one number apart: after lost messages a pin is its number alone."""
    checked: int = 0
    """Rows that were `ok`."""
    _before: "Sample | None" = None
    _devices: dict[int, tuple[int, list[Device]]] = field(default_factory=dict)
    """By row id its generation, and the devices that have explained all numbers of that so far."""

    def check(self, sample: "Sample", begin: int, end: int) -> None:
        """A sample that was taken between these two times."""
        rows: list[tuple[str, Row]] = [*zip(sample.interface.devices, sample.interface, strict=True)]
        rows += zip(sample.block.devices, sample.block, strict=True)
        for name, row in rows:
            if row.state == "ok" and (place := self.places.get(name)) is not None:
                self._check_row(place, row, begin, end)
        if self._before is not None:
            rates = sample.rates(self._before)
            sizes = [*(rate.tx_bytes for rate in rates.interface), *(rate.wr_bytes for rate in rates.block)]
            if any(size is not None and size < 0 for size in sizes):
                raise WrongDevice(f"{self.name}: a counter went back: {sizes}")
        self._before = sample

    def _check_row(self, place: Hashable, row: "Row", begin: int, end: int) -> None:
        self.checked += 1
        if not begin <= row.time_ns <= end:
            raise WrongDevice(f"{self.name}: {place} was read at {row.time_ns}, not in {begin} to {end}: {row}")
        present = self.journal.devices(place, begin, end)
        pin = self.pins.get(place)
        allowed = present if pin is None else [device for device in present if device.index == pin]
        found = [device for device in allowed if explains(device, row, begin, end)]
        if not found:
            raise WrongDevice(
                f"{self.name}: {place} has the numbers of none of {allowed}, but {row};"
                f" they are those of {[device for device in present if explains(device, row, begin, end)]}"
            )
        generation, devices = self._devices.get(row.row_id, (-1, found))
        if row.generation < generation:
            raise WrongDevice(f"{self.name}: {place} goes back from generation {generation}: {row}")
        if row.generation == generation or (pin is not None and place not in self.only_numbered):
            found = [device for device in devices if device in found]
        if not found:
            raise WrongDevice(f"{self.name}: {place} was {devices} before, with no new generation or a pin: {row}")
        self._devices[row.row_id] = row.generation, found


def explains(device: Device, row: "Row", begin: int, end: int) -> bool:
    """Whether the row may have the numbers of this device, read within this time."""
    is_ending = device.ends_at <= end
    for counter, count in device.counts.items():
        least, most = count.within(begin - LATE if counter == "wr_req" else begin, end)
        number, size, bytes_ = getattr(row, counter), device.sizes[counter], getattr(row, BYTES.get(counter, counter))
        # A disk's numbers are set to 0 before it is removed. A veth may lose its peer, which counts for it, at any time
        # between two files of sysfs.
        zero: set[int] = {0} if is_ending else set()
        if number not in zero and not least <= number <= most:
            return False
        if bytes_ not in zero and not least * size <= bytes_ <= most * size:
            return False
    capacity = getattr(row, "capacity", -1)
    return capacity == -1 or not device.capacities or capacity in device.capacities
