"""What `Poller.poll_into` returns."""

from typing import NamedTuple


class Written(NamedTuple):
    """What a poll wrote into the memory of the caller: while `plan` stays the same, row n is the same row."""

    block: int
    """The number of rows written in the block table; 0 if it was not read."""
    interface: int
    """The number of rows written in the interface table."""
    plan: int
    """The number of their plan: `Sample.plan` of a sample whose rows are the same."""
