"""The Rust core: handles that are opened once, one call that reads them all, records of a fixed layout."""

from collections.abc import Sequence
from typing import Literal, Self, final

from typing_extensions import Buffer

from vmiostat._core_bases import RatesRow, StatsRow, Table
from vmiostat._core_fields import BlockRatesFields, BlockStatsFields, InterfaceRatesFields, InterfaceStatsFields
from vmiostat._core_machine import DeviceEvents, FolderEvents, LinkEvents, Roots
from vmiostat.counter_sources import InterfaceSource
from vmiostat.polling.plan import BlockRow, InterfaceRow
from vmiostat.polling.written import Written

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
    """One field of BlockStats or InterfaceStats: a row of the field table, which is docs/abi.md.

    Examples
    --------
    >>> from vmiostat import BLOCK_FIELDS
    >>> field = BLOCK_FIELDS[1]
    >>> field.name, field.offset, field.size, field.kind, field.unit
    ('rd_bytes', 8, 8, 'counter', 'bytes')
    """
    @property
    def name(self) -> str:
        """Its name in C, in Python, in arrays, JSON and CSV: "rd_bytes"."""
    @property
    def offset(self) -> int:
        """Bytes before it in the struct."""
    @property
    def size(self) -> int:
        """Its size in bytes."""
    @property
    def format(self) -> str:
        """Its type as the struct module and numpy write it: "q", a signed 64-bit integer."""
    @property
    def version(self) -> int:
        """The version of the struct that added it."""
    @property
    def kind(self) -> Literal["counter", "gauge", "row"]:
        """A "counter" only grows, a "gauge" goes up and down; a "row" field describes the row and not the device."""
    @property
    def unit(self) -> str:
        """One of "bytes", "requests", "packets", "events", "ns" and "number"."""
    @property
    def heading(self) -> str | None:
        """Its heading in the table of the command, "rkB/s"; None without a column there."""
    @property
    def scale(self) -> float | None:
        """What its rate is multiplied by below that heading."""
    @property
    def help(self) -> str:
        """What it counts, in a few words."""

@final
class BlockStats(BlockStatsFields, StatsRow):
    """The counters of one block row: a struct that compares and unpacks like the tuple of its fields.

    A field is -1 where its source does not count it. A field that `size` cuts off raises AttributeError.

    Examples
    --------
    >>> import struct
    >>> from vmiostat import BlockStats
    >>> stats = BlockStats.from_bytes(struct.pack("3q", 4, 2048, -1))
    >>> len(stats), stats[1], tuple(stats) == stats, stats.size
    (3, 2048, True, 24)
    """

@final
class InterfaceStats(InterfaceStatsFields, StatsRow):
    """The counters of one interface row: a struct that compares and unpacks like the tuple of its fields.

    A field is -1 where its source does not count it. A field that `size` cuts off raises AttributeError.

    Examples
    --------
    >>> import struct
    >>> from vmiostat import InterfaceStats
    >>> stats = InterfaceStats.from_bytes(struct.pack("3q", 4, 2048, -1))
    >>> len(stats), stats[1], tuple(stats) == stats, stats.size
    (3, 2048, True, 24)
    """

@final
class BlockRates(BlockRatesFields, RatesRow):
    """The rates of one block row: counters per second, gauges as they are.

    A field is None where there is no number, and `state` says why. It compares and unpacks like the tuple of
    its fields.
    """

@final
class InterfaceRates(InterfaceRatesFields, RatesRow):
    """The rates of one interface row: counters per second, gauges as they are.

    A field is None where there is no number, and `state` says why. It compares and unpacks like the tuple of
    its fields.
    """

@final
class BlockTable(Table[BlockStats]):
    """The block rows of a sample: a sequence of rows that also finds one by its (domain, device).

    In memory it is one array of structs; a row becomes an object when it is used. numpy shares that memory;
    polars, pandas, pyarrow and duckdb take a copy (docs/arrays.md).

    Examples
    --------
    >>> from vmiostat import Host
    >>> with Host("fixtures/xen-4.17-real/instant-1").poller() as poller:
    ...     table = poller.poll().block
    >>> name = table.domains[0], table.devices[0]
    >>> table[0] == table[name] == table.get(name), name in table, len(table[1:3])
    (True, True, 2)
    >>> table.get(("web1", "none")) is None, dict(table)[name] == table[0]
    (True, True)
    """

@final
class InterfaceTable(Table[InterfaceStats]):
    """The interface rows of a sample: a sequence of rows that also finds one by its (domain, device).

    In memory it is one array of structs; a row becomes an object when it is used. numpy shares that memory;
    polars, pandas, pyarrow and duckdb take a copy (docs/arrays.md).

    Examples
    --------
    >>> from vmiostat import Host
    >>> with Host("fixtures/xen-4.17-real/instant-1").poller() as poller:
    ...     table = poller.poll().interface
    >>> name = table.domains[0], table.devices[0]
    >>> table[0] == table[name] == table.get(name), name in table, len(table[1:3])
    (True, True, 2)
    >>> table.get(("web1", "none")) is None, dict(table)[name] == table[0]
    (True, True)
    """

@final
class BlockRatesTable(Table[BlockRates]):
    """The block rates between two samples.

    In memory a row is a struct of 64-bit floats, NaN where there is no number, and an integer for the state.
    """

@final
class InterfaceRatesTable(Table[InterfaceRates]):
    """The interface rates between two samples.

    In memory a row is a struct of 64-bit floats, NaN where there is no number, and an integer for the state.
    """

@final
class Sample:
    """The rows that one poll read."""
    @property
    def block(self) -> BlockTable:
        """The rows of block devices."""
    @property
    def interface(self) -> InterfaceTable:
        """The rows of interfaces."""
    @property
    def plan(self) -> int:
        """The number of the plan that was read: 1 for the first plan of the poller, and higher after each change."""
    def rates(self, before: Sample | None = None) -> Rates:
        """The rates between an earlier sample and this one, each by the time of its own row.

        Rows are paired by `row_id`, wherever a change of the plan has moved them. A row that `before` lacks has no
        rate: its state is `replaced` if `before` has another row of the same name, and otherwise `new`. A counter that
        wrapped at 32 bits, or fell while the device's others grew, has none, and the row's others have theirs. One
        sample of counters that are too low makes no spike, if `before` was itself given the sample before it.

        Parameters
        ----------
        before : Sample, optional
            An earlier sample of the same Poller. By default the rates are since boot; those of a captured machine
            need its /proc/uptime.

        Returns
        -------
        Rates
            A row for each row of this sample.

        Raises
        ------
        ValueError
            The samples are of two pollers.

        Examples
        --------
        >>> from vmiostat import Host
        >>> with Host().poller() as poller:
        ...     before = poller.poll()
        ...     rates = poller.poll().rates(before)
        >>> all(rate.interval > 0 for rate in rates.interface if rate.state == "ok")
        True
        """
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

@final
class Rates:
    """The rates between two samples."""
    @property
    def block(self) -> BlockRatesTable:
        """The rates of the block table, in the order of the later sample."""
    @property
    def interface(self) -> InterfaceRatesTable:
        """The rates of the interface table, in the order of the later sample."""
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

@final
class LatestStats:
    """One disk's newest counters from its VMM. `client` names the connection in messages: "QMP /run/vm.qmp"."""
    def __new__(cls, client: str) -> Self: ...
    @property
    def client(self) -> str:
        """The client that queries the VMM, and its address: "QMP /run/vm.qmp"."""
    def put(self, time_ns: int, fresh_ns: int, **counters: int) -> None:
        """Stores the newest counters.

        Parameters
        ----------
        time_ns : int
            When the VMM counted them, on the monotonic clock.
        fresh_ns : int
            How long they are fresh; then they are stale.
        **counters : int
            Counters and gauges of BlockStats by name; those left out are -1.

        Raises
        ------
        TypeError
            BlockStats has no counter or gauge of this name.
        """
    def failed(self, why: str, *, expired: bool = False) -> None:
        """Records why a query failed. The last counters stay; they turn stale in their time, or now if `expired`."""
    def refused(self, why: str) -> None:
        """Records why the VMM may not be queried: the row is `unsupported` until counters come after all."""
    def restarted(self) -> None:
        """Discards the counters: another run of the VMM is queried from now on, and it counts from 0."""
    @property
    def problem(self) -> str | None:
        """Why the newest query has no answer."""

@final
class Explanation:
    """What one source reads in a poll, and why it was chosen."""
    @property
    def kind(self) -> Literal["block", "interface"]:
        """The table that it fills: "block" or "interface"."""
    @property
    def source(self) -> str:
        """What is read."""
    @property
    def rows(self) -> int:
        """The number of rows that it fills."""
    @property
    def system_calls(self) -> int:
        """The number of system calls in a poll."""
    @property
    def why(self) -> str:
        """Why it was chosen."""
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

@final
class Poller:
    """The open handles of a plan, which one call reads. vmiostat.Poller is the public class."""
    def __new__(
        cls,
        roots: Roots,
        block: Sequence[BlockRow],
        interface: Sequence[InterfaceRow],
        *,
        interface_source: InterfaceSource = "auto",
        pinned: bool = False,
    ) -> Self: ...
    def replan(
        self,
        block: Sequence[BlockRow],
        interface: Sequence[InterfaceRow],
        carried_over_block: Sequence[int | None],
        carried_over_interface: Sequence[int | None],
    ) -> None:
        """Switches to another plan. `carried_over_block[row]` is the old index of the row, or None for a new row."""
    def poll(self) -> Sample:
        """Reads every row."""
    def poll_into(
        self,
        *,
        block: Buffer | None = None,
        interface: Buffer | None = None,
        block_size: int | None = None,
        interface_size: int | None = None,
    ) -> Written:
        """Reads every row into the caller's memory."""
    @property
    def block_rows(self) -> int:
        """The number of rows in the block table."""
    @property
    def interface_rows(self) -> int:
        """The number of rows in the interface table."""
    def problem(self, kind: Literal["block", "interface"], row: int, plan: int | None = None) -> OSError | None:
        """The error behind the state of a row, or None. Also None for a row that the plan does not have, and where
        the plan is not the one of this number.
        """
    def explain(self) -> list[Explanation]:
        """Polls once, and says what each source read."""
    def reopen(self) -> int:
        """Opens handles that could not be opened or were lost, and returns how many. Too costly for every poll."""
    def has_outgrown(self) -> bool:
        """Whether other devices have made polls much longer since: `replan` may find cheaper sources."""
    def close(self) -> None:
        """Closes the handles as soon as the polls that run now have ended."""
    @property
    def closed(self) -> bool:
        """Whether it is closed."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
