"""The structs as numpy's types: an array of a table, or of your own memory, without parsing a buffer's format."""

from typing import TYPE_CHECKING

from vmiostat._core import BLOCK_FIELDS, INTERFACE_FIELDS, BlockStats, InterfaceStats

try:
    import numpy
except ImportError as error:
    raise ImportError(
        "vmiostat.BLOCK_DTYPE and INTERFACE_DTYPE need numpy, which is not installed: pip install numpy"
    ) from error

if TYPE_CHECKING:
    from vmiostat._core import Field


def _dtype(fields: "tuple[Field, ...]", size: int) -> "numpy.dtype[numpy.void]":
    return numpy.dtype(
        {
            "names": [field.name for field in fields],
            "formats": ["i8"] * len(fields),
            "offsets": [field.offset for field in fields],
            "itemsize": size,
        }
    )


BLOCK_DTYPE = _dtype(BLOCK_FIELDS, BlockStats.SIZE)
"""A row of a sample's block table: `numpy.frombuffer(sample.block, vmiostat.BLOCK_DTYPE)`."""
INTERFACE_DTYPE = _dtype(INTERFACE_FIELDS, InterfaceStats.SIZE)
"""A row of a sample's interface table."""
