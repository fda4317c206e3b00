"""A table is a sequence of rows that also finds one by its (domain, device)."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from testkit.two_instants import two_instants
from vmiostat import BLOCK_FIELDS, BlockTable, InterfaceTable, Poller, Rates, Roots, Sample
from vmiostat._core import BlockRatesTable, InterfaceRatesTable
from vmiostat.counter_sources import BlockDevice, NetDevice
from vmiostat.polling.plan import BlockRow

Table = BlockTable | InterfaceTable | BlockRatesTable | InterfaceRatesTable


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Rates]:
    before, after = two_instants(tmp_path_factory.mktemp("xen") / "root")
    return after, after.rates(before)


@pytest.fixture(params=["block", "interface", "block rates", "interface rates"])
def table(request: pytest.FixtureRequest, sampled: tuple[Sample, Rates]) -> Table:
    kind, *rates = request.param.split()
    found: Table = getattr(sampled[len(rates)], kind)
    assert len(found) > 3
    return found


@pytest.fixture
def poller(tmp_path: Path) -> Iterator[Poller]:
    """Two rows of one name, and a total."""
    (tmp_path / "proc/net").mkdir(parents=True)
    numbers = " ".join(["7"] * 17)
    (tmp_path / "proc/diskstats").write_text(f"8 0 sda {numbers}\n8 1 sda1 {numbers.replace('7', '9')}\n")
    (tmp_path / "proc/net/dev").write_text("Inter-|\n face |\n")
    block: list[BlockRow] = [
        ("twin", "vda", BlockDevice(8, 0)),
        ("twin", "vda", BlockDevice(8, 1)),
        ("twin", "total", BlockDevice(8, 0), "total"),
    ]
    with Poller(Roots(tmp_path), block, [("twin", "net0", NetDevice("net0"), True)]) as poller:
        yield poller


def test_rows_from_either_end_and_in_slices(table: Table) -> None:
    rows = list(table)
    assert list(reversed(table)) == rows[::-1]
    assert [table[at] for at in range(-len(rows), len(rows))] == rows * 2
    for part in (slice(None), slice(1, 3), slice(-2, None), slice(None, None, -2), slice(3, 1), slice(0, 99)):
        piece = table[part]
        assert type(piece) is type(table)
        assert list(piece) == rows[part]
        labels = [(one.domains, one.devices, one.kinds) for one in (piece, table)]
        assert labels[0] == tuple(names[part] for names in labels[1])
        array = np.asarray(table)[part]
        assert np.asarray(piece).tobytes() == array.tobytes()
    assert table[:] == table != table[1:]
    with pytest.raises(ValueError, match="zero"):
        _ = table[::0]
    with pytest.raises(TypeError):
        _ = table["Domain-1"]  # type: ignore[call-overload]


def test_rows_by_their_name(table: Table) -> None:
    names = list(zip(table.domains, table.devices, strict=True))
    assert table.keys() == names
    assert table.values() == list(table)
    assert table.items() == list(zip(names, table, strict=True))
    assert dict(table) == dict(table.items())
    for at, name in enumerate(names):
        assert name in table
        assert table[name] == table.get(name) == table[at]
        assert (table.index(name), table.count(name)) == (at, 1)
    piece = table[2:]
    assert piece[names[2]] == table[2]
    assert names[0] not in piece


def test_what_is_not_there(table: Table) -> None:
    absent = ("no-such", "vda")
    assert absent not in table
    assert "Domain-1" not in table
    assert 3 not in table
    assert (table.get(absent), table.get(99), table.get(absent, 5)) == (None, None, 5)
    assert table.count(absent) == 0
    with pytest.raises(KeyError, match="no-such"):
        _ = table[absent]
    with pytest.raises(ValueError, match=r"\('no-such', 'vda'\) is not in this table"):
        table.index(absent)


def test_a_row_is_found_in_its_table(table: Table) -> None:
    last = table[-1]
    assert last in table
    assert tuple(last) in table
    assert table[table.index(last)] == last
    assert table.count(last) >= 1
    first = table.keys()[0]
    for start, stop in ((1, len(table)), (0, 0), (-1, 99)):
        with pytest.raises(ValueError, match="not in this table"):
            table.index(first, start, stop)
    assert table.index(first, 0, 1) == table.index(first, -len(table)) == 0


def test_of_two_rows_of_one_name_the_first_is_found(poller: Poller) -> None:
    table = poller.poll().block
    twin = ("twin", "vda")
    assert (table[twin].rd_req, table.index(twin), table.index(twin, 1), table.count(twin)) == (7, 0, 1, 2)
    assert [row.rd_req for name, row in table.items() if name == twin] == [7, 9]


def test_a_total_is_told_apart(poller: Poller) -> None:
    sample = poller.poll()
    assert sample.block.kinds == ("disk", "disk", "total")
    assert sample.interface.kinds == ("interface",)
    assert sample.rates().block.kinds == sample.block.kinds
    with pytest.raises(ValueError, match="'disk' or 'total', not 'interface'"):
        poller.replan([("a", "b", None, "interface")], [], [None], [])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="a row's kind is 'disk', 'interface' or 'total', not 'disc'"):
        poller.replan([("a", "b", None, "disc")], [], [None], [])  # type: ignore[list-item]


def test_a_row_unpacks_compares_and_becomes_json(table: Table) -> None:
    for row in table:
        values = row._asdict()
        assert (tuple(values), len(row), len(tuple(row))) == (row._fields, len(values), len(values))
        assert [getattr(row, name) for name in row._fields] == list(values.values())
        assert json.loads(json.dumps(values)) == values
        assert row == tuple(row) != tuple(row)[1:]
        assert hash(row) == hash(tuple(row))
        assert row != "text"
        assert list(reversed(row)) == list(row)[::-1]
        assert repr(row).startswith(f"{type(row).__name__}({row._fields[0]}=")
    assert {row: at for at, row in enumerate(table)}[table[0]] in range(len(table))


def test_a_struct_s_dictionary_has_its_whole_fields(poller: Poller) -> None:
    stats = poller.poll().block[0]
    assert stats.v1._asdict() == {"rd_req": 7, "rd_bytes": 7 * 512, "wr_req": 7, "wr_bytes": 7 * 512, "errs": -1}
    assert list(stats.cut(12)._asdict()) == ["rd_req"]
    assert stats._fields == tuple(field.name for field in BLOCK_FIELDS)
    assert (stats._asdict()["state"], stats[BLOCK_FIELDS.index(BLOCK_FIELDS[19])]) == ("ok", 0)


def test_polars_must_not_take_a_table_for_a_list_of_objects(table: Table) -> None:
    """Registered as a Sequence it would be one: Arrow goes first only for what is none."""
    import polars as pl

    assert pl.DataFrame(table).columns[:4] == ["domain", "device", "kind", table[0]._fields[0]]
