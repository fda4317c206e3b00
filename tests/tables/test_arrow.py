"""Tables as Arrow, on captured machines: what each library makes of them, and who owns what."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from testkit.two_instants import two_instants
from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS, STATES, BlockTable, Host, InterfaceTable, Poller, Roots, Sample
from vmiostat._core import BlockRatesTable, InterfaceRatesTable
from vmiostat.counter_sources import NetDevice

XEN = Path("fixtures/xen-4.17-real")
PAGE = Path("docs/arrays.md").read_text()

Table = BlockTable | InterfaceTable | BlockRatesTable | InterfaceRatesTable
Columns = dict[str, list[object]]

TABLES = ["block", "interface", "block rates", "interface rates"]
RATE_FIELDS = {
    "block rates": [field for field in BLOCK_FIELDS if field.kind != "row"],
    "interface rates": [field for field in INTERFACE_FIELDS if field.kind != "row"],
}


def tables(before: Sample, after: Sample) -> dict[str, Table]:
    rates = after.rates(before)
    return dict(zip(TABLES, [after.block, after.interface, rates.block, rates.interface], strict=True))


def rows(table: Table) -> Columns:
    """What the table's rows say, one by one, as the columns that Arrow is to have."""
    columns: Columns = {"domain": list(table.domains), "device": list(table.devices), "kind": list(table.kinds)}
    if isinstance(table, BlockTable | InterfaceTable):
        names = [field.name for field in (BLOCK_FIELDS if isinstance(table, BlockTable) else INTERFACE_FIELDS)]
    else:
        kind = "block rates" if isinstance(table, BlockRatesTable) else "interface rates"
        names = [*(field.name for field in RATE_FIELDS[kind]), "interval", "state"]
    for name in names:
        values = [getattr(row, name) for row in table]
        columns[name] = [None if value == -1 else value for value in values]
    return columns


@pytest.fixture(scope="module", params=TABLES)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of a captured Xen host, with rows that nothing counts and fields that blkback does not have."""
    found = tables(*two_instants(tmp_path_factory.mktemp("xen") / "root"))[request.param]
    columns = rows(found)
    assert "unsupported" in columns["state"] or "interface" in request.param
    assert any(None in column for column in columns.values())
    return found


@pytest.fixture(scope="module", params=TABLES)
def empty(request: pytest.FixtureRequest) -> Table:
    with Host(XEN / "instant-1").poller([]) as poller:
        sample = poller.poll()
    return tables(sample, sample)[request.param]


def in_pyarrow(table: Table) -> Columns:
    batch, stream = pa.record_batch(table), pa.table(table)
    batch.validate(full=True)
    stream.validate(full=True)
    assert pa.schema(table).equals(batch.schema, check_metadata=True)
    assert pa.schema(table).equals(stream.schema, check_metadata=True)
    assert stream.equals(pa.Table.from_batches([batch]))
    return batch.to_pydict()  # type: ignore[no-any-return]


def in_polars(table: Table) -> Columns:
    return pl.DataFrame(table).to_dict(as_series=False)


def in_pandas(table: Table) -> Columns:
    frame = pd.DataFrame.from_arrow(table)
    return {name: [None if pd.isna(value) else value for value in frame[name]] for name in frame.columns}


def in_duckdb(asked: Table) -> Columns:
    found = duckdb.sql("SELECT * FROM asked")
    assert found is not None
    values = found.fetchall()
    return {name: [row[index] for row in values] for index, name in enumerate(found.columns)}


def test_pyarrow(table: Table, empty: Table) -> None:
    assert in_pyarrow(table) == rows(table)
    assert in_pyarrow(empty) == rows(empty)


def test_polars(table: Table, empty: Table) -> None:
    assert in_polars(table) == rows(table)
    assert in_polars(empty) == rows(empty)


def test_pandas(table: Table, empty: Table) -> None:
    assert in_pandas(table) == rows(table)
    assert in_pandas(empty) == rows(empty)


def test_duckdb(table: Table, empty: Table) -> None:
    assert in_duckdb(table) == rows(table)
    assert in_duckdb(empty) == rows(empty)


def test_a_column_is_described_as_in_the_field_table(table: Table) -> None:
    schema = pa.schema(table)
    text = [("domain", pa.int32()), ("device", pa.int32()), ("kind", pa.int8()), ("state", pa.int8())]
    for name, key in text:
        assert schema.field(name).type == pa.dictionary(key, pa.utf8())
        assert not schema.field(name).nullable
    assert schema.names[:3] == ["domain", "device", "kind"]
    fields = BLOCK_FIELDS if isinstance(table, BlockTable | BlockRatesTable) else INTERFACE_FIELDS
    of_rates = isinstance(table, BlockRatesTable | InterfaceRatesTable)
    for field in fields:
        if field.name == "state":
            continue
        if of_rates and field.kind == "row":
            assert field.name not in schema.names
            continue
        column = schema.field(field.name)
        assert (column.type, column.nullable) == (pa.float64() if of_rates else pa.int64(), True)
        is_rate = of_rates and field.kind == "counter"
        about = {
            "unit": f"{field.unit}/s" if is_rate else field.unit,
            "kind": "rate" if is_rate else field.kind,
            "help": field.help,
            "version": str(field.version),
        }
        assert column.metadata == {key.encode(): value.encode() for key, value in about.items()}


def captured(root: Path, names: Sequence[str], counts: Sequence[int]) -> Poller:
    """A machine as files, each name an interface of a domain of that name."""
    (root / "proc/net").mkdir(parents=True, exist_ok=True)
    lines = [f"  tap{row}: " + " ".join([str(count)] * 16) for row, count in enumerate(counts)]
    (root / "proc/net/dev").write_text("Inter-|\n face |\n" + "\n".join(lines) + "\n")
    plan = [(name, name, NetDevice(f"tap{row}"), False) for row, name in enumerate(names)]
    return Poller(Roots(root), [], plan)


def test_every_number_is_kept(tmp_path: Path) -> None:
    counts = [0, 1, 2**53 + 1, 2**63 - 1, 2**63]
    with captured(tmp_path, ["web"] * 6, counts) as poller:
        table = poller.poll().interface
    expected = [0, 1, 2**53 + 1, 2**63 - 1, None, None]  # more than a word holds, and no such interface
    assert in_pyarrow(table)["rx_bytes"] == in_polars(table)["rx_bytes"] == in_duckdb(table)["rx_bytes"] == expected
    exact = pa.table(table).to_pandas(types_mapper=pd.ArrowDtype)["rx_bytes"]
    assert [None if pd.isna(value) else value for value in exact] == expected
    assert in_pyarrow(table)["state"] == [row.state for row in table]
    assert in_pyarrow(table)["generation"][-1] is None


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 130])
def test_any_number_of_rows(tmp_path: Path, count: int) -> None:
    with captured(tmp_path, [f"vm{row % 3}" for row in range(count)], range(0, count, 2)) as poller:
        table = poller.poll().interface
    assert in_pyarrow(table) == rows(table)
    assert pa.record_batch(table).column("rx_bytes").null_count == count // 2


def test_names_are_written_once_a_poller(tmp_path: Path) -> None:
    with captured(tmp_path, ["web", "db", "web", "", "db"], range(5)) as poller:
        first, second = poller.poll(), poller.poll()
    batch, again, rates = (
        pa.record_batch(one) for one in (first.interface, second.interface, second.rates(first).interface)
    )
    for name in ("domain", "device"):
        column = batch.column(name)
        assert (column.dictionary.to_pylist(), column.indices.to_pylist()) == (["web", "db", ""], [0, 1, 0, 2, 1])
        places = [
            [buffer.address for buffer in one.column(name).dictionary.buffers()[1:]] for one in (batch, again, rates)
        ]
        assert places[0] == places[1] == places[2]
    assert batch.column("state").dictionary.to_pylist() == list(STATES)


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    names = ["v\udcff0", "v\\xff0", "\ud800", "a\0b", "数据库 🐘", "e\u0301\udc80"]
    shown = ["v\\xff0", "v\\\\xff0", "\\ud800", "a\0b", "数据库 🐘", "e\u0301\\x80"]
    with captured(tmp_path, names, range(6)) as poller:
        table = poller.poll().interface
    assert len(pa.record_batch(table).column("domain").dictionary) == 6
    for library in (in_pyarrow, in_polars, in_pandas, in_duckdb):
        assert library(table)["domain"] == library(table)["device"] == shown


def test_an_array_outlives_its_table_and_its_poller(tmp_path: Path) -> None:
    with captured(tmp_path, ["web", "db"], [3, 4]) as poller:
        sample = poller.poll()
        batch, frame, stream = (
            pa.record_batch(sample.interface),
            pl.DataFrame(sample.interface),
            sample.interface.__arrow_c_stream__(),
        )
    del poller, sample
    gc.collect()
    overwritten = [bytes(100_000) for _ in range(50)]
    assert batch.to_pydict()["rx_bytes"] == frame["rx_bytes"].to_list() == [3, 4]
    assert pa.RecordBatchReader._import_from_c_capsule(stream).read_all().to_pydict()["domain"] == ["web", "db"]
    del overwritten


def test_what_a_capsule_holds_is_taken_once(table: Table) -> None:
    schema, array = table.__arrow_c_array__()
    batch = pa.RecordBatch._import_from_c_capsule(schema, array)
    with pytest.raises(ValueError, match="released"):
        pa.RecordBatch._import_from_c_capsule(table.__arrow_c_schema__(), array)
    del schema, array
    gc.collect()
    assert batch.to_pydict() == rows(table)
    reader = pa.RecordBatchReader._import_from_c_capsule(table.__arrow_c_stream__())
    assert reader.schema == reader.schema == batch.schema
    assert reader.read_next_batch().equals(batch)
    for _ in range(2):
        with pytest.raises(StopIteration):
            reader.read_next_batch()


def test_a_wish_for_another_schema_is_left_to_the_consumer(table: Table) -> None:
    wish = pa.schema([("rd_req", pa.utf8())]).__arrow_c_schema__()
    schema, array = table.__arrow_c_array__(wish)
    assert pa.RecordBatch._import_from_c_capsule(schema, array).schema == pa.schema(table)
    stream = table.__arrow_c_stream__(requested_schema=wish)
    assert pa.RecordBatchReader._import_from_c_capsule(stream).schema == pa.schema(table)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.slow
def test_ten_thousand_exports_leave_nothing_behind(table: Table) -> None:
    def export(times: int) -> None:
        for _ in range(times):
            table.__arrow_c_schema__()
            table.__arrow_c_array__()
            table.__arrow_c_stream__()  # never read
            pa.record_batch(table)
            pa.RecordBatchReader.from_stream(table).read_all()

    export(1000)
    before = resident()
    export(10_000)
    # The smallest thing that could be left each time, a schema, is some 10 kB: 100 MB.
    assert resident() - before < 4 << 20


def test_from_many_threads(table: Table) -> None:
    def export(_: int) -> Columns:
        return pa.record_batch(table).to_pydict()  # type: ignore[no-any-return]

    with ThreadPoolExecutor(4) as threads:
        assert all(columns == rows(table) for columns in threads.map(export, range(400)))


def test_vmiostat_imports_none_of_them() -> None:
    libraries = {"numpy", "polars", "pandas", "pyarrow", "duckdb"}
    program = f"""
import sys, vmiostat, vmiostat.cli.main
with vmiostat.Host({str(XEN / "instant-1")!r}).poller() as poller:
    sample = poller.poll()
sample.block.__arrow_c_array__(), sample.rates().interface.__arrow_c_stream__(), memoryview(sample.block)
print(*sorted({libraries} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "\n"


EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the page's first example leaves behind for the others, on a machine that has domains with interfaces."""
    monkeypatch.setattr("vmiostat.Host", lambda: Host(XEN / "instant-1"))
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[0], "docs/arrays.md", "exec"), names)
    return names


@pytest.mark.parametrize("example", EXAMPLES[1:])
def test_the_page_s_examples_run(page: dict[str, object], example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "docs/arrays.md", "exec"), dict(page))
    assert capsys.readouterr().out
