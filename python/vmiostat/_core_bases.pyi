"""What the row classes and the table classes of the core have in common, for type checkers."""

from collections.abc import Iterator
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, overload, type_check_only

from typing_extensions import Buffer, CapsuleType

Name: TypeAlias = tuple[str, str]
"""The domain and the device of a row."""
_Row = TypeVar("_Row")
_Default = TypeVar("_Default")

@type_check_only
class StatsRow(Buffer):
    SIZE: int
    """Bytes of the newest struct."""
    V1_SIZE: int
    """Bytes of version 1, libvirt's struct."""
    _fields: tuple[str, ...]
    """The names of the newest struct's fields, in their order."""
    @classmethod
    def from_bytes(cls, data: Buffer) -> Self:
        """A struct from its first bytes, as `poll_into` wrote them.

        Parameters
        ----------
        data : bytes-like
            0 to `SIZE` bytes.

        Raises
        ------
        SizeError
            There are more bytes than the newest struct has.
        """
    @property
    def size(self) -> int:
        """The bytes of this struct."""
    def cut(self, size: int) -> Self:
        """The first bytes of this struct: what a client has that was compiled for an older version.

        Parameters
        ----------
        size : int
            0 to `SIZE`, also one that cuts a field. A struct with fewer bytes is returned whole.

        Raises
        ------
        SizeError
            No version of the struct has such a size.
        """
    @property
    def v1(self) -> Self:
        """The fields of libvirt's struct: the tuple that libvirt-python returns."""
    def as_psutil(self) -> Any:
        """The same counters with the names and units of psutil; see vmiostat.psutil_compat."""
    def _asdict(self) -> dict[str, int | str]:
        """The whole fields by name, ready for JSON; `state` is its word."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __reversed__(self) -> Iterator[int]: ...
    @overload
    def __getitem__(self, index: int, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[int, ...]: ...
    def __bytes__(self) -> bytes: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __le__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __gt__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __ge__(self, other: Self | tuple[int, ...], /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@type_check_only
class RatesRow:
    _fields: tuple[str, ...]
    """The names of its fields, in their order."""
    @property
    def interval(self) -> float | None:
        """Seconds between the two reads of this row; None where no rate could be made."""
    @property
    def state(self) -> str:
        """`ok`, or why there is no number: a word of STATES."""
    def _asdict(self) -> dict[str, float | str | None]:
        """The fields by name, ready for JSON."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[float | str | None]: ...
    def __reversed__(self) -> Iterator[float | str | None]: ...
    @overload
    def __getitem__(self, index: int, /) -> float | str | None: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[float | str | None, ...]: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

@type_check_only
class Table(Buffer, Generic[_Row]):
    @property
    def domains(self) -> tuple[str, ...]:
        """The name of the domain of each row."""
    @property
    def devices(self) -> tuple[str, ...]:
        """The name of the device of each row, within its domain."""
    @property
    def kinds(self) -> tuple[Literal["disk", "interface", "total"], ...]:
        """The kind of each row: "disk", "interface" or "total". A total is all that a domain reads and writes, and so
        counts the I/O of its disks once more.
        """
    @overload
    def __getitem__(self, row: int | Name, /) -> _Row: ...
    @overload
    def __getitem__(self, rows: slice, /) -> Self: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_Row]: ...
    def __reversed__(self) -> Iterator[_Row]: ...
    def __contains__(self, item: object, /) -> bool: ...
    def index(self, item: object, start: int = 0, stop: int = ..., /) -> int:
        """The index of the first row with this (domain, device), or equal to this row.

        Raises
        ------
        ValueError
            There is no such row between `start` and `stop`.
        """
    def count(self, item: object, /) -> int:
        """The number of rows with this (domain, device), or equal to this row."""
    @overload
    def get(self, key: int | Name, default: None = None, /) -> _Row | None:
        """The row with this (domain, device) or index, or `default` if there is none."""
    @overload
    def get(self, key: int | Name, default: _Default, /) -> _Row | _Default:
        """The row with this (domain, device) or index, or `default` if there is none."""
    def keys(self) -> list[Name]:
        """The (domain, device) of each row. If two rows have the same, `table[name]` is the first of them."""
    def values(self) -> list[_Row]:
        """The rows, as a list."""
    def items(self) -> list[tuple[Name, _Row]]:
        """The ((domain, device), row) of each row."""
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __arrow_c_schema__(self) -> CapsuleType: ...
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[CapsuleType, CapsuleType]: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType: ...
