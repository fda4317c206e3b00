"""The counters of a row, without its time_ns, generation and state."""

from vmiostat import BlockStats, InterfaceStats


def counters_of(row: BlockStats | InterfaceStats) -> tuple[int, ...]:
    """In the order of the struct."""
    own = {InterfaceStats: 16, BlockStats: 17}[type(row)]  # where the three stand: docs/abi.md
    words = tuple(row)
    assert words[own + 1] == row.generation
    return words[:own] + words[own + 3 :]
