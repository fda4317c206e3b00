"""The structs as numpy's types."""

import time
from collections.abc import Callable

import numpy
import pytest

import vmiostat
from testkit.fixture_trees import XEN
from vmiostat import Host, Poller, Roots

TABLES = [("block", "BLOCK_DTYPE"), ("interface", "INTERFACE_DTYPE")]


@pytest.mark.parametrize(("table", "dtype"), TABLES)
def test_a_dtype_is_that_of_the_table(table: str, dtype: str) -> None:
    with Host(XEN / "instant-1").poller() as poller:
        sample = poller.poll()
    rows, kind = getattr(sample, table), getattr(vmiostat, dtype)
    array = numpy.frombuffer(rows, kind)
    expected = numpy.asarray(rows)
    assert kind == expected.dtype
    assert kind.itemsize == type(rows[0]).SIZE
    assert len(array) == len(rows) > 0
    assert (array == expected).all()
    assert not array.flags.writeable
    assert array["time_ns"].tolist() == [row.time_ns for row in rows]


@pytest.mark.parametrize(("table", "dtype"), TABLES)
def test_a_table_without_rows_is_an_array_without_rows(table: str, dtype: str) -> None:
    with Poller(Roots(), [], []) as poller:
        assert numpy.frombuffer(getattr(poller.poll(), table), getattr(vmiostat, dtype)).shape == (0,)


def test_an_array_of_ones_own_is_written_to() -> None:
    with Host(XEN / "instant-1").poller() as poller:
        array = numpy.empty(poller.block_rows, vmiostat.BLOCK_DTYPE)
        poller.poll_into(block=array)
        sample = poller.poll()
    assert array["rd_bytes"].tolist() == [row.rd_bytes for row in sample.block]


def test_it_costs_a_fraction_of_parsing_the_buffer_s_format() -> None:
    with Host(XEN / "instant-1").poller() as poller:
        table = poller.poll().block

    def fastest(convert: Callable[[], object]) -> int:
        spent = []
        for _ in range(200):
            start = time.perf_counter_ns()
            convert()
            spent.append(time.perf_counter_ns() - start)
        return min(spent)

    dtype = vmiostat.BLOCK_DTYPE
    assert fastest(lambda: numpy.frombuffer(table, dtype)) < fastest(lambda: numpy.asarray(table)) / 10
