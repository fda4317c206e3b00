"""The counters of a row, without what it says of itself: time_ns, generation, state and row_id."""

from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS, BlockStats, InterfaceStats

FIELDS = {BlockStats: BLOCK_FIELDS, InterfaceStats: INTERFACE_FIELDS}


def counters_of(row: BlockStats | InterfaceStats) -> tuple[int, ...]:
    """In the order of the struct."""
    return tuple(word for word, field in zip(row, FIELDS[type(row)], strict=True) if field.kind != "row")
