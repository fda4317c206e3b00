"""What a row counts, without what it says of itself: when it was read, whose it is, in which state."""

from vmiostat import BlockStats, InterfaceStats


def counters_of(row: BlockStats | InterfaceStats) -> tuple[int, ...]:
    """Every number of the row but time_ns, generation and state, in the struct's order."""
    own = {InterfaceStats: 16, BlockStats: 17}[type(row)]  # where the three stand: docs/abi.md
    words = tuple(row)
    assert words[own + 1] == row.generation
    return words[:own] + words[own + 3 :]
