"""What a soak has to stay within."""

from tests.soak.soaking import POLL_EVERY, ROUND_EVERY, Figures

MEMORY = 1 << 20
"""Bytes that may lie between the first and the last tenth of the time: the allocator's noise."""

ROWS_OF_QEMU = 2
"""Descriptors of the rows of a QEMU that was restarted, and that a busy machine may find after more than a second."""


def check_figures(figures: Figures, seconds: float) -> None:
    """On a busy machine there may be fewer polls and rounds than were meant, but not hardly any."""
    assert figures.polls > 0.3 * seconds / POLL_EVERY
    assert figures.rounds > 0.1 * seconds / ROUND_EVERY
    assert set(figures.states) == {"ok", "gone"}, figures.states
    seen = set(figures.followed) - {"ended"}  # its QEMU may be back before a scan has missed it
    assert seen == {"ok", "gone", "disk ok", "disk stale"}, figures.followed
    assert figures.memory_grown() < MEMORY, figures.memory
    held, threads = ({at_rest[number] for at_rest in figures.held} for number in (0, 1))
    assert len(threads) == 1, figures.held
    assert max(held) - min(held) <= ROWS_OF_QEMU, figures.held  # a leak is one each round
    assert not figures.left, figures.left
