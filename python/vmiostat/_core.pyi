"""The Rust core: handles that are opened once, one call that reads them all, records of a fixed layout."""

import builtins
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, Self, final, overload

from typing_extensions import Buffer, CapsuleType, disjoint_base

from vmiostat.counter_sources import BlockCounterSource, InterfaceCounterSource, InterfaceSource
from vmiostat.errors import SourceError

__all__ = [
    "BLOCK_FIELDS",
    "INTERFACE_FIELDS",
    "STATES",
    "STATE_HELP",
    "BlockRates",
    "BlockRatesTable",
    "BlockStats",
    "BlockTable",
    "DeviceEvents",
    "Explanation",
    "Field",
    "FolderEvents",
    "InterfaceRates",
    "InterfaceRatesTable",
    "InterfaceStats",
    "InterfaceTable",
    "LatestStats",
    "LinkEvents",
    "Poller",
    "Rates",
    "Roots",
    "Sample",
    "__version__",
]

__version__: str
"""The package's, too."""

STATES: tuple[str, ...]
"""The words for a row's state, by its number in the struct."""
STATE_HELP: tuple[str, ...]
"""What each of these words means, in the same order."""
BLOCK_FIELDS: tuple[Field, ...]
"""The fields of BlockStats, in the struct's order."""
INTERFACE_FIELDS: tuple[Field, ...]
"""The fields of InterfaceStats, in the struct's order."""

@final
class Field:
    """One row of the field table, which is docs/abi.md."""
    @property
    def name(self) -> str:
        """Its name in C, in Python, in arrays, JSON and CSV: "rd_bytes"."""
    @property
    def offset(self) -> int:
        """Bytes from the struct's beginning."""
    @property
    def version(self) -> int:
        """The struct's version that brought it."""
    @property
    def kind(self) -> Literal["counter", "gauge", "row"]:
        """A counter only grows, a gauge goes up and down; "row" tells of the reading and not of the device."""
    @property
    def unit(self) -> str:
        """bytes, requests, packets, events, ns or number."""
    @property
    def heading(self) -> str | None:
        """Its heading in the command's table, "rkB/s"; None where it has no column."""
    @property
    def scale(self) -> float | None:
        """What its rate is multiplied by below that heading."""
    @property
    def help(self) -> str:
        """What it counts, in a few words."""

@final
class Roots:
    """Where the machine's /proc, /sys, /dev and /run are. A path is given as on the machine ("/sys/block")."""
    def __new__(
        cls,
        root: str | PathLike[str] = ...,
        *,
        proc: str | PathLike[str] | None = None,
        sys: str | PathLike[str] | None = None,
        dev: str | PathLike[str] | None = None,
        run: str | PathLike[str] | None = None,
    ) -> Self: ...
    @property
    def captured(self) -> bool:
        """Whether the root is another folder than "/" (device nodes and processes are then not this machine's)."""
    def open(self, path: str) -> int:
        """A descriptor for reading a file or listing a folder; symlinks stay inside the root. Raises OSError."""
    def open_folder(self, path: str) -> int:
        """A descriptor for listing a folder; nothing else is opened. Raises SourceError."""
    def read(self, path: str) -> bytes:
        """A small file's bytes (at most 1 MiB). Raises OSError."""
    def list(self, path: str) -> list[str]:
        """A folder's names, sorted. Raises OSError."""
    def read_or_none(self, path: str) -> bytes | None:
        """As `read`, but None where there is no such file or it cannot be read."""
    def list_or_empty(self, path: str) -> builtins.list[str]:
        """As `list`, but empty where there is no such folder or it cannot be listed."""
    def real(self, path: str) -> str:
        """The path with all symlinks followed, again as on the machine itself. Raises OSError."""
    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder (and this process may know of it)."""
    def device_number(self, path: str) -> tuple[int, int] | None:
        """Major and minor of a block device node, None for any other file. Raises OSError."""
    def file_identity(self, path: str) -> tuple[int, int, int, int]:
        """(device, inode, owner, mode) of the file at a path, its symlinks followed. Raises SourceError.

        It is neither opened nor is its file system asked for anything (AT_STATX_DONT_SYNC), so that a hung file system
        cannot delay this.
        """
    def interfaces(self, namespace: str | None = None) -> dict[str, int | None]:
        """The machine's interfaces (/proc/net/dev) in the kernel's order, and the number (ifindex) of each.

        `namespace` is another network namespace's /run/netns/NAME or /proc/PID/ns/net: entered by a thread, for which
        it takes CAP_SYS_ADMIN; without that /proc/PID/net/dev tells the names alone. A number is None where only names
        can be had, as on a captured machine. Raises SourceError.
        """
    def unix_listeners(self, namespace: str | None = None) -> Sequence[tuple[int, int]]:
        """The listening UNIX sockets that are bound to files (sock_diag(7)), of this network namespace or another.

        Each is its own inode (a descriptor of it leads to socket:[INODE]), and the lower 32 bits of its file's inode.
        Raises SourceError.
        """
    def shown(self, path: str) -> str:
        """Where the path really is, for messages."""

@final
class FolderEvents:
    """Events of *.xml files that are written, renamed or deleted in some folders, and of the folders (inotify).

    Each of `paths` comes after those that contain it: a missing folder is watched once it appears. A path may also be
    a file of any name. Paths are those of the machine at `roots`, or without it those of this process. Raises
    SourceError.
    """
    def __new__(cls, roots: Roots | None, paths: list[str]) -> Self: ...
    def renew(self) -> None:
        """Watches the folders that the paths lead to now: some may be hidden below a mount, which causes no event."""
    @property
    def unwatched(self) -> SourceError | None:
        """The SourceError of an existing folder that is not watched; None if all are."""
    def fileno(self) -> int:
        """The descriptor, which is readable when there is something to drain."""
    def drain(self) -> bool:
        """Takes the events that have come, without waiting; True if one of them matters. Raises SourceError when no
        more events come.
        """
    def close(self) -> None:
        """Closes the descriptor."""

@final
class LinkEvents:
    """Events of interfaces that appear, disappear, are renamed, or go up or down (rtnetlink).

    `namespace` is the open file of a network namespace; without it, it is the calling thread's. Raises SourceError.
    """
    def __new__(cls, namespace: int | None = None) -> Self: ...
    def fileno(self) -> int:
        """The descriptor, which is readable when there is something to drain."""
    def drain(self) -> bool:
        """Takes the events that have come, without waiting; True if one of them matters. Raises SourceError when no
        more events come.
        """
    def close(self) -> None:
        """Closes the descriptor."""

@final
class DeviceEvents:
    """Events of block devices and Xen backends that appear, disappear or change (uevents). Raises SourceError."""
    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """The descriptor, which is readable when there is something to drain."""
    def drain(self) -> bool:
        """Takes the events that have come, without waiting; True if one of them matters. Raises SourceError when no
        more events come.
        """
    def close(self) -> None:
        """Closes the descriptor."""

@final
class BlockStats(Buffer):
    """One disk's counters: a struct that compares and unpacks like the tuple of its fields.

    A field is -1 where the source does not have it. A field beyond `size`, or cut by it, is an AttributeError.
    """
    @staticmethod
    def from_bytes(data: Buffer) -> BlockStats:
        """A struct from its bytes, 0 to SIZE of them (what poll_into wrote). Raises SizeError."""
    SIZE: int
    """Bytes of the newest struct."""
    V1_SIZE: int
    """Bytes of version 1, libvirt's struct."""
    # The fields of BlockStats, made by `make docs` from here
    @property
    def rd_req(self) -> int:
        """Read requests completed; in requests."""
    @property
    def rd_bytes(self) -> int:
        """Bytes read; in bytes."""
    @property
    def wr_req(self) -> int:
        """Write requests completed; in requests."""
    @property
    def wr_bytes(self) -> int:
        """Bytes written; in bytes."""
    @property
    def errs(self) -> int:
        """Xen's oo_req: times that blkback found no free request slot (not I/O errors; here for compatibility with
        libvirt); in events."""
    @property
    def fl_req(self) -> int:
        """Flush requests completed (block devices: since Linux 5.5); in requests."""
    @property
    def ds_req(self) -> int:
        """Discard requests completed (block devices: since Linux 4.18); in requests."""
    @property
    def ds_bytes(self) -> int:
        """Bytes discarded (block devices: since Linux 4.18); in bytes."""
    @property
    def rd_time(self) -> int:
        """Total time of all read requests (block devices count milliseconds in 32 bits); in ns."""
    @property
    def wr_time(self) -> int:
        """Total time of all write requests; in ns."""
    @property
    def fl_time(self) -> int:
        """Total time of all flush requests (block devices: since Linux 5.5); in ns."""
    @property
    def ds_time(self) -> int:
        """Total time of all discard requests (block devices: since Linux 4.18); in ns."""
    @property
    def rd_merged(self) -> int:
        """Read requests merged into a queued one; in requests."""
    @property
    def wr_merged(self) -> int:
        """Write requests merged into a queued one; in requests."""
    @property
    def in_flight(self) -> int:
        """Requests issued to the device and not yet completed; in requests, a gauge."""
    @property
    def busy_time(self) -> int:
        """Time with at least one request in flight (the kernel counts timer ticks); in ns."""
    @property
    def queue_time(self) -> int:
        """Total time that requests spent in flight; in ns."""
    @property
    def time_ns(self) -> int:
        """When this row was read, or reported by the VMM, on the monotonic clock; -1: no report yet; in ns."""
    @property
    def generation(self) -> int:
        """Goes up when another device takes this row's place; -1: no device seen yet."""
    @property
    def state(self) -> str:
        """A word of STATES; in the tuple, the bytes and the arrays it is that word's number."""
    @property
    def ds_merged(self) -> int:
        """Discard requests merged into a queued one (block devices: since Linux 4.18); in requests."""
    @property
    def rd_failed(self) -> int:
        """Read requests that failed (QEMU); in requests."""
    @property
    def wr_failed(self) -> int:
        """Write requests that failed (QEMU); in requests."""
    @property
    def fl_failed(self) -> int:
        """Flush requests that failed (QEMU); in requests."""
    @property
    def ds_failed(self) -> int:
        """Discard requests that failed (QEMU); in requests."""
    @property
    def rd_invalid(self) -> int:
        """Invalid read requests (QEMU); in requests."""
    @property
    def wr_invalid(self) -> int:
        """Invalid write requests (QEMU); in requests."""
    @property
    def fl_invalid(self) -> int:
        """Invalid flush requests (QEMU); in requests."""
    @property
    def ds_invalid(self) -> int:
        """Invalid discard requests (QEMU); in requests."""
    @property
    def wr_highest(self) -> int:
        """End of the highest write to the disk since the VMM opened it (QEMU); in bytes, a gauge."""
    @property
    def allocation(self) -> int:
        """End of the highest write to the image file, as libvirt's allocation; 0 before the first (QEMU); in bytes, a
        gauge."""
    @property
    def capacity(self) -> int:
        """Size of the disk as the guest sees it; in bytes, a gauge."""
    @property
    def physical(self) -> int:
        """Space used on the host: an image file's allocated part (its length if that is 0), or a block device's size;
        in bytes, a gauge."""
    # to here
    @property
    def size(self) -> int:
        """Bytes of this struct."""
    def cut(self, size: int) -> Self:
        """The first `size` bytes of this struct, all of it if it has no more. Raises SizeError."""
    @property
    def v1(self) -> Self:
        """The part that libvirt's struct has: its tuple is the one that libvirt-python returns."""
    def as_psutil(self) -> Any:
        """The same counters under psutil's names and units; see vmiostat.psutil_compat."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __getitem__(self, index: int, /) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __le__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __gt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __ge__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class BlockTable(Buffer):
    """All block rows of a sample: one array of structs, without an object a row until one is asked for.

    `numpy.asarray(table)` is a structured array on the same memory; polars, pandas, pyarrow and duckdb take a copy.
    """
    @property
    def domains(self) -> tuple[str, ...]:
        """The domain's name, row by row."""
    @property
    def devices(self) -> tuple[str, ...]:
        """The device's name within its domain, row by row."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, row: int, /) -> BlockStats: ...
    @overload
    def __getitem__(self, row: tuple[str, str], /) -> BlockStats: ...
    def __iter__(self) -> Iterator[BlockStats]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __arrow_c_schema__(self) -> CapsuleType:
        """The names, types and units of the columns; see docs/arrays.md."""
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[CapsuleType, CapsuleType]:
        """This table as an Arrow record batch: a copy, which outlives the table. Any wish for another schema is left to
        the consumer's own casts, as the protocol allows."""
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType:
        """The same as a stream of one batch."""

@final
class BlockRates:
    """One row's rates: counters a second, gauges as they are; None where there is no number: `state` says why."""
    # The fields of BlockRates, made by `make docs` from here
    @property
    def rd_req(self) -> float | None: ...
    @property
    def rd_bytes(self) -> float | None: ...
    @property
    def wr_req(self) -> float | None: ...
    @property
    def wr_bytes(self) -> float | None: ...
    @property
    def errs(self) -> float | None: ...
    @property
    def fl_req(self) -> float | None: ...
    @property
    def ds_req(self) -> float | None: ...
    @property
    def ds_bytes(self) -> float | None: ...
    @property
    def rd_time(self) -> float | None: ...
    @property
    def wr_time(self) -> float | None: ...
    @property
    def fl_time(self) -> float | None: ...
    @property
    def ds_time(self) -> float | None: ...
    @property
    def rd_merged(self) -> float | None: ...
    @property
    def wr_merged(self) -> float | None: ...
    @property
    def in_flight(self) -> float | None: ...
    @property
    def busy_time(self) -> float | None: ...
    @property
    def queue_time(self) -> float | None: ...
    @property
    def ds_merged(self) -> float | None: ...
    @property
    def rd_failed(self) -> float | None: ...
    @property
    def wr_failed(self) -> float | None: ...
    @property
    def fl_failed(self) -> float | None: ...
    @property
    def ds_failed(self) -> float | None: ...
    @property
    def rd_invalid(self) -> float | None: ...
    @property
    def wr_invalid(self) -> float | None: ...
    @property
    def fl_invalid(self) -> float | None: ...
    @property
    def ds_invalid(self) -> float | None: ...
    @property
    def wr_highest(self) -> float | None: ...
    @property
    def allocation(self) -> float | None: ...
    @property
    def capacity(self) -> float | None: ...
    @property
    def physical(self) -> float | None: ...
    # to here
    @property
    def interval(self) -> float | None:
        """Seconds between the two reads of this row."""
    @property
    def state(self) -> str:
        """`ok`, or why there is no number: a word of STATES."""

@final
class BlockRatesTable(Buffer):
    """All block rates of two samples: structs of 64-bit floats (NaN for no number), then interval and state.

    For numpy and Arrow like the sample's tables; there, no number is NULL.
    """
    @property
    def domains(self) -> tuple[str, ...]:
        """The domain's name, row by row."""
    @property
    def devices(self) -> tuple[str, ...]:
        """The device's name within its domain, row by row."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, row: int, /) -> BlockRates: ...
    @overload
    def __getitem__(self, row: tuple[str, str], /) -> BlockRates: ...
    def __iter__(self) -> Iterator[BlockRates]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __arrow_c_schema__(self) -> CapsuleType:
        """The names, types and units of the columns; see docs/arrays.md."""
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[CapsuleType, CapsuleType]:
        """This table as an Arrow record batch: a copy, which outlives the table. Any wish for another schema is left to
        the consumer's own casts, as the protocol allows."""
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType:
        """The same as a stream of one batch."""

@final
class InterfaceStats(Buffer):
    """One interface's counters: a struct that compares and unpacks like the tuple of its fields.

    A field is -1 where the source does not have it. A field beyond `size`, or cut by it, is an AttributeError.
    """
    @staticmethod
    def from_bytes(data: Buffer) -> InterfaceStats:
        """A struct from its bytes, 0 to SIZE of them (what poll_into wrote). Raises SizeError."""
    SIZE: int
    """Bytes of the newest struct."""
    V1_SIZE: int
    """Bytes of version 1, libvirt's struct."""
    # The fields of InterfaceStats, made by `make docs` from here
    @property
    def rx_bytes(self) -> int:
        """Bytes received; in bytes."""
    @property
    def rx_packets(self) -> int:
        """Packets received; in packets."""
    @property
    def rx_errs(self) -> int:
        """Packets received with errors; in packets."""
    @property
    def rx_drop(self) -> int:
        """Packets dropped on receive (on the host's rx side rx_dropped + rx_missed_errors, as in /proc/net/dev); in
        packets."""
    @property
    def tx_bytes(self) -> int:
        """Bytes sent; in bytes."""
    @property
    def tx_packets(self) -> int:
        """Packets sent; in packets."""
    @property
    def tx_errs(self) -> int:
        """Packets not sent because of an error; in packets."""
    @property
    def tx_drop(self) -> int:
        """Packets dropped on transmit; in packets."""
    @property
    def rx_fifo(self) -> int:
        """Packets lost because the receive queue was full; in packets."""
    @property
    def rx_frame(self) -> int:
        """Framing errors received (length + overrun + CRC + alignment); -1 in the guest's view: transmit has none; in
        packets."""
    @property
    def rx_compressed(self) -> int:
        """Compressed packets received (SLIP, PPP); in packets."""
    @property
    def rx_multicast(self) -> int:
        """Multicast packets received; -1 in the guest's view: the kernel does not count them on transmit; in
        packets."""
    @property
    def tx_fifo(self) -> int:
        """Packets lost because the send queue was full; in packets."""
    @property
    def tx_colls(self) -> int:
        """Collisions; -1 in the guest's view: the host has none for packets that it receives; in packets."""
    @property
    def tx_carrier(self) -> int:
        """Carrier losses (carrier + aborted + window + heartbeat errors); -1 in the guest's view, as tx_colls; in
        packets."""
    @property
    def tx_compressed(self) -> int:
        """Compressed packets sent (SLIP, PPP); in packets."""
    @property
    def time_ns(self) -> int:
        """When this row was read, on the monotonic clock; -1: never; in ns."""
    @property
    def generation(self) -> int:
        """Goes up when another device takes this row's place; -1: no device seen yet."""
    @property
    def state(self) -> str:
        """A word of STATES; in the tuple, the bytes and the arrays it is that word's number."""
    # to here
    @property
    def size(self) -> int:
        """Bytes of this struct."""
    def cut(self, size: int) -> Self:
        """The first `size` bytes of this struct, all of it if it has no more. Raises SizeError."""
    @property
    def v1(self) -> Self:
        """The part that libvirt's struct has: its tuple is the one that libvirt-python returns."""
    def as_psutil(self) -> Any:
        """The same counters under psutil's names and units; see vmiostat.psutil_compat."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __getitem__(self, index: int, /) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __le__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __gt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __ge__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class InterfaceTable(Buffer):
    """All interface rows of a sample: one array of structs, without an object a row until one is asked for.

    `numpy.asarray(table)` is a structured array on the same memory; polars, pandas, pyarrow and duckdb take a copy.
    """
    @property
    def domains(self) -> tuple[str, ...]:
        """The domain's name, row by row."""
    @property
    def devices(self) -> tuple[str, ...]:
        """The device's name within its domain, row by row."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, row: int, /) -> InterfaceStats: ...
    @overload
    def __getitem__(self, row: tuple[str, str], /) -> InterfaceStats: ...
    def __iter__(self) -> Iterator[InterfaceStats]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __arrow_c_schema__(self) -> CapsuleType:
        """The names, types and units of the columns; see docs/arrays.md."""
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[CapsuleType, CapsuleType]:
        """This table as an Arrow record batch: a copy, which outlives the table. Any wish for another schema is left to
        the consumer's own casts, as the protocol allows."""
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType:
        """The same as a stream of one batch."""

@final
class InterfaceRates:
    """One row's rates: counters a second, gauges as they are; None where there is no number: `state` says why."""
    # The fields of InterfaceRates, made by `make docs` from here
    @property
    def rx_bytes(self) -> float | None: ...
    @property
    def rx_packets(self) -> float | None: ...
    @property
    def rx_errs(self) -> float | None: ...
    @property
    def rx_drop(self) -> float | None: ...
    @property
    def tx_bytes(self) -> float | None: ...
    @property
    def tx_packets(self) -> float | None: ...
    @property
    def tx_errs(self) -> float | None: ...
    @property
    def tx_drop(self) -> float | None: ...
    @property
    def rx_fifo(self) -> float | None: ...
    @property
    def rx_frame(self) -> float | None: ...
    @property
    def rx_compressed(self) -> float | None: ...
    @property
    def rx_multicast(self) -> float | None: ...
    @property
    def tx_fifo(self) -> float | None: ...
    @property
    def tx_colls(self) -> float | None: ...
    @property
    def tx_carrier(self) -> float | None: ...
    @property
    def tx_compressed(self) -> float | None: ...
    # to here
    @property
    def interval(self) -> float | None:
        """Seconds between the two reads of this row."""
    @property
    def state(self) -> str:
        """`ok`, or why there is no number: a word of STATES."""

@final
class InterfaceRatesTable(Buffer):
    """All interface rates of two samples: structs of 64-bit floats (NaN for no number), then interval and state.

    For numpy and Arrow like the sample's tables; there, no number is NULL.
    """
    @property
    def domains(self) -> tuple[str, ...]:
        """The domain's name, row by row."""
    @property
    def devices(self) -> tuple[str, ...]:
        """The device's name within its domain, row by row."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, row: int, /) -> InterfaceRates: ...
    @overload
    def __getitem__(self, row: tuple[str, str], /) -> InterfaceRates: ...
    def __iter__(self) -> Iterator[InterfaceRates]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __arrow_c_schema__(self) -> CapsuleType:
        """The names, types and units of the columns; see docs/arrays.md."""
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[CapsuleType, CapsuleType]:
        """This table as an Arrow record batch: a copy, which outlives the table. Any wish for another schema is left to
        the consumer's own casts, as the protocol allows."""
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType:
        """The same as a stream of one batch."""

@final
class Sample:
    """What one poll read."""
    @property
    def block(self) -> BlockTable:
        """The block devices' rows."""
    @property
    def interface(self) -> InterfaceTable:
        """The interfaces' rows."""
    def rates(self, before: Sample | None = None) -> Rates:
        """Per second between `before` and this sample, row by row and by each row's own time.

        Rows are matched by domain and device. Without `before`: since the machine started; of a captured machine, whose
        time is not this one's, as far as its /proc/uptime tells. Both samples have to be one Poller's: each counts by
        itself how often a row's device was replaced. See docs/arrays.md for an example.
        """

@final
class Rates:
    """What happened between two samples."""
    @property
    def block(self) -> BlockRatesTable:
        """The block devices' rows, in the later sample's order."""
    @property
    def interface(self) -> InterfaceRatesTable:
        """The interfaces' rows, likewise."""

@final
class LatestStats:
    """One disk's newest counters from its VMM: a client writes them, a poll reads them without waiting."""
    def __new__(cls, client: str) -> Self: ...
    @property
    def client(self) -> str:
        """The client that queries the VMM, and its address: "QMP /run/vm.qmp"."""
    def put(self, time_ns: int, fresh_ns: int, **counters: int) -> None:
        """Stores the counters of `time_ns` by field name; those left out are -1 (not known).

        They are fresh for `fresh_ns`. Raises TypeError for a name that is no field of BlockStats.
        """
    def failed(self, why: str, *, expired: bool = False) -> None:
        """Records why a query failed. The last counters stay; they turn stale in their time, or now if `expired`."""
    def refused(self, why: str) -> None:
        """Records why the VMM may not be queried: the row is unsupported until counters come after all."""
    def restarted(self) -> None:
        """Discards the counters: another run of the VMM is queried from now on, and it counts from 0."""
    @property
    def problem(self) -> str | None:
        """Why the newest query has no answer."""

@final
class Explanation:
    """What one source does in a poll, and why it and no other reads these rows."""
    @property
    def kind(self) -> Literal["block", "interface"]:
        """What kind of rows it fills."""
    @property
    def source(self) -> str:
        """What is read."""
    @property
    def rows(self) -> int:
        """Rows that it fills."""
    @property
    def system_calls(self) -> int:
        """System calls that it takes in a poll."""
    @property
    def why(self) -> str:
        """Why it was chosen."""

@disjoint_base
class Poller:
    """Holds the handles of a plan's rows open, and reads them all in one call. Safe to poll from several threads.

    They are of the process that opened them: in a fork of it every call but `close` raises ValueError.
    """
    def __new__(
        cls,
        roots: Roots,
        block: Sequence[tuple[str, str, BlockCounterSource | None]],
        interface: Sequence[tuple[str, str, InterfaceCounterSource | None, bool]],
        *,
        interface_source: InterfaceSource = "auto",
        pinned: bool = False,
    ) -> Self:
        """A row is (domain, device, where its counters are); an interface's ends with whether rx and tx are swapped.

        A row follows its interface's name or its disk's number: when another device has it, the generation goes up.
        `pinned`, it is the one device that its counters name by `index` or `diskseq`, and `gone` when another one has
        its place.
        """
    def replan(
        self,
        block: Sequence[tuple[str, str, BlockCounterSource | None]],
        interface: Sequence[tuple[str, str, InterfaceCounterSource | None, bool]],
        kept_block: Sequence[int | None],
        kept_interface: Sequence[int | None],
    ) -> None:
        """Another plan, of whose rows some are this one's: `kept_block[row]` is the number that the row had, None for a
        new one.

        Kept rows keep their open files and their generation; a new row's generation is above every one before. A poll
        in another thread sees the one plan or the other, and does not wait while files are opened.
        """
    def poll(self) -> Sample:
        """Every row, read now. A bad row costs itself alone: its state tells."""
    def poll_into(
        self,
        *,
        block: Buffer | None = None,
        interface: Buffer | None = None,
        block_size: int | None = None,
        interface_size: int | None = None,
    ) -> None:
        """Writes every row into the caller's memory, `block_size` (`interface_size`) bytes a row; allocates nothing.

        The memory is any writable, contiguous buffer of at least rows x size bytes: row n begins at byte n x size. The
        size is the newest struct's unless another one is given (40 and 64 are libvirt's). What is not asked for is not
        read. Raises SizeError. See docs/arrays.md for an example.
        """
    @property
    def block_rows(self) -> int:
        """Rows of the block table."""
    @property
    def interface_rows(self) -> int:
        """Rows of the interface table."""
    def problem(self, kind: Literal["block", "interface"], row: int) -> OSError | None:
        """The error behind a row's state `gone` or `unreadable`, a SourceError; None where there is none.

        Of a row that is asked for beside the poll, also why it is `stale` or `unsupported`. None as well for a row that
        is not there: a poller that follows may have fewer by now than the sample had.
        """
    def explain(self) -> list[Explanation]:
        """What a poll does, source by source: polls once, and tells."""
    def reopen(self) -> int:
        """Tries again to open what could not be opened or has gone; returns how many. Not for every poll."""
    def close(self) -> None:
        """Closes the handles, after the polls that are under way."""
    @property
    def closed(self) -> bool:
        """Whether it was closed."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
