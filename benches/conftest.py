"""The devices that are measured: made for the run, with counters that nothing else moves."""

from collections.abc import Iterator

import pytest

from benches.column import Here
from benches.columns.disks import disk_columns
from benches.columns.interfaces import interface_columns
from benches.floor.program import running_floor
from benches.machine import made_machine

INTERFACES, DISKS = 10, 4

collect_ignore = ["tables/plot.py"]  # imports matplotlib, which only `make bench-report` installs


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Here[object]]]:
    """Every way that is a call in this process, by "interfaces: its column" or "disks: its column"."""
    folder = tmp_path_factory.mktemp("machine")
    with made_machine(folder) as machine:
        machine.grow(INTERFACES, DISKS)
        with running_floor(machine, machine.interfaces, machine.loops) as floor:
            columns = {"interfaces": interface_columns(machine, floor), "disks": disk_columns(machine, floor)}
            yield {
                f"{kind}: {column.name}": column
                for kind, of_kind in columns.items()
                for column in of_kind
                if isinstance(column, Here)
            }
