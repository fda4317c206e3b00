"""How much is measured, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """`steps` are (interfaces, disks) of the growing machine; at `vm_steps` one VM among them is measured.

    At `worst_step` the worst case is: `rate` polls a second for `worst_seconds`, and while `removals` times `pairs` of
    veths are removed.
    """

    steps: tuple[tuple[int, int], ...]
    vm_steps: tuple[tuple[int, int], ...]
    seconds: float
    """For each table of a step."""
    worst_step: tuple[int, int] | None
    worst_seconds: float
    pairs: int
    removals: int
    rate: int = 200


FULL = Sizes(
    steps=((1, 1), (10, 10), (100, 100), (1000, 500), (10000, 500)),
    vm_steps=((1, 1), (1000, 500)),
    seconds=6,
    worst_step=(1000, 500),
    worst_seconds=10,
    pairs=2000,
    removals=3,
)
QUICK = Sizes(
    steps=((1, 1), (10, 10), (100, 100), (1000, 100)),
    vm_steps=((1, 1), (1000, 100)),
    seconds=2,
    worst_step=(1000, 100),
    worst_seconds=2,
    pairs=1000,
    removals=1,
)
ONCE = Sizes(
    steps=((1, 1), (10, 3)),
    vm_steps=((10, 3),),
    seconds=0,
    worst_step=(10, 3),
    worst_seconds=0.1,
    pairs=20,
    removals=1,
)
"""As a test: everything runs, nothing is measured well."""
BY_NAME = {"full": FULL, "quick": QUICK, "once": ONCE}
