"""The table, for made rates: its columns and numbers."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from vmiostat.cli.rows import BLOCK, INTERFACE, Report, Row, Section
from vmiostat.cli.table.table import Style, Table


def row(
    section: Section,
    domain: str,
    device: str,
    state: str = "ok",
    time_ns: int = -1,
    total: dict[str, int] | None = None,
    **rates: float | None,
) -> Row:
    known = dict.fromkeys((field.name for field in section.numbers), None if state != "ok" else 0.0)
    made: Any = SimpleNamespace(**(known | rates), interval=1.0, state=state)
    totals = {name: -1 if (known | rates)[name] is None else 7 for name in known}
    stats: Any = SimpleNamespace(**(totals | (total or {})), time_ns=time_ns)
    kind = "disk" if section is BLOCK else "interface"
    return Row(domain, device, kind, stats, made)


def lines(*rows: Row, section: Section = BLOCK, table: Table | None = None) -> list[str]:
    text = (table or Table("")).report(Report(0.0, False, {section: list(rows)}))
    blank, when, empty, *rest = text.split("\n")
    assert (blank, empty, rest.pop()) == ("", "", "")
    assert when.startswith(("1970-01-01T", "1969-12-31T"))
    return rest


def test_columns_are_those_of_the_field_table_and_busy_time_is_the_last() -> None:
    columns = "r/s rkB/s w/s wkB/s f/s d/s dkB/s aqu-sz %util"
    heading, _ = lines(row(BLOCK, "web1", "vda"))
    assert heading.split() == ["Domain", "Device", *columns.split()]
    heading, _ = lines(row(INTERFACE, "web1", "vnet0"), section=INTERFACE)
    columns = "rxkB/s rxpck/s rxerr/s rxdrop/s txkB/s txpck/s txerr/s txdrop/s"
    assert heading.split() == ["Domain", "Interface", *columns.split()]


def test_a_common_row_fits_into_80_columns() -> None:
    busy = row(BLOCK, "web1", "vda", rd_req=812.5, rd_bytes=999 * 1024.0, busy_time=1e9, queue_time=12e9)
    assert max(map(len, lines(busy))) <= 80
    assert max(map(len, lines(row(INTERFACE, "web1", "vif1.0", rx_bytes=9e5), section=INTERFACE))) <= 80


def test_numbers_are_scaled_to_what_the_heading_says() -> None:
    numbers = dict(
        zip(
            *(
                line.split()
                for line in lines(
                    row(BLOCK, "web1", "vda", rd_bytes=1536.0, queue_time=2.5e9, busy_time=0.25e9, wr_req=3.0)
                )
            ),
            strict=True,
        )
    )
    assert numbers["rkB/s"] == "1.50"
    assert numbers["w/s"] == "3.00"
    assert numbers["aqu-sz"] == "2.50"
    assert numbers["%util"] == "25.00"


def test_busy_time_is_never_more_than_all_the_time() -> None:
    assert lines(row(BLOCK, "web1", "vda", busy_time=1.02e9))[1].endswith(" 100.00")


def test_unknown_is_a_dash_and_the_row_has_its_state() -> None:
    heading, known, unknown = lines(row(BLOCK, "web1", "vda", fl_req=None), row(BLOCK, "web1", "vdb", "unreadable"))
    assert heading.split()[-1] == "State"
    assert known.split()[2:] == ["0.00"] * 4 + ["-"] + ["0.00"] * 4
    assert unknown.split() == ["web1", "vdb", *["-"] * 9, "unreadable"]


def test_rows_without_a_counter_source_are_in_a_note_that_is_said_once() -> None:
    table = Table("")
    rows = [row(BLOCK, "web1", f"vd{letter}", "unsupported") for letter in "abcd"]
    heading, *shown, note, advice = lines(*rows, table=table)
    assert "State" not in heading
    assert [line.split() for line in shown] == [["web1", f"vd{letter}", *["-"] * 9] for letter in "abcd"]
    assert note == "unsupported: web1 vda, web1 vdb, web1 vdc and 1 more: `vmiostat devices` shows why"
    assert "--qemu-interval" in advice
    assert len(lines(*rows, table=table)) == 5
    assert len(lines(*rows[1:], table=table)) == 4
    assert lines(*rows, table=table)[-1] == note
    queried = Table("", Style(queries=True))
    assert lines(*rows, table=queried)[-1] == note


def test_a_stale_row_has_its_age() -> None:
    _, answered, never = lines(
        row(BLOCK, "web1", "vda", "stale", time.monotonic_ns() - 12_500_000_000), row(BLOCK, "web1", "vdb", "stale")
    )
    assert answered.endswith(" - stale 12s")
    assert never.endswith(" - stale")


def test_there_is_no_state_column_where_all_rows_are_ok() -> None:
    assert "State" not in lines(row(BLOCK, "web1", "vda"))[0]


@pytest.mark.parametrize("name", ["vda", "数据库", "a\nb", "\x1b[31m", "e\u0301", "x" * 500])
def test_numbers_stand_below_their_headings_whatever_the_names(name: str) -> None:
    shown = lines(row(BLOCK, "web1", name, rd_req=123456789.0), row(BLOCK, name, "vda"))
    # Wide letters take two columns each.
    ends = {len(line) + sum(c in "数据库" for c in line) for line in shown}
    assert len(shown) == 3
    assert len(ends) == 1


def test_columns_that_widened_stay_wide_for_some_reports() -> None:
    table = Table("")
    lines(row(BLOCK, "a-long-domain-name", "vda", rd_req=123456789.0), table=table)
    wide = lines(row(BLOCK, "a-long-domain-name", "vda", rd_req=123456789.0), table=table)
    assert list(map(len, lines(row(BLOCK, "web1", "vda"), table=table))) == list(map(len, wide))
    later = [lines(row(BLOCK, "web1", "vda"), table=table) for _ in range(10)]
    assert later[-1] == lines(row(BLOCK, "web1", "vda"))


def test_a_section_without_rows_has_no_table() -> None:
    text = Table("").report(Report(0.0, True, {BLOCK: [], INTERFACE: [row(INTERFACE, "web1", "vnet0")]}))
    assert "Device" not in text
    assert "Interface" in text
    assert "(since boot)" in text


def test_a_machine_without_an_uptime_has_no_report_since_boot() -> None:
    text = Table("").report(Report(0.0, True, {INTERFACE: [row(INTERFACE, "web1", "vnet0", "new")]}))
    assert "(since boot)" not in text


def test_a_problem_is_printed_below_the_table_while_it_is_new() -> None:
    table = Table("")
    known, denied = row(BLOCK, "web1", "vda"), row(BLOCK, "web1", "vdb", "denied")._replace(problem="this takes root")
    texts = [table.report(Report(0.0, False, {BLOCK: rows})) for rows in ([known, denied], [known, denied], [known])]
    texts.append(table.report(Report(0.0, False, {BLOCK: [known, denied]})))
    assert ["denied: web1 vdb: this takes root\n" in text for text in texts] == [True, False, False, True]
    many = [row(BLOCK, "web1", f"vd{n}", "missing")._replace(problem=f"no file {n}") for n in range(12)]
    assert (
        Table("").report(Report(0.0, False, {BLOCK: many})).endswith("and 2 more (vmiostat devices has all of them)\n")
    )


def test_time_has_a_fraction_where_reports_come_within_a_second() -> None:
    report = Report(1_750_000_000.9996, False, {})
    assert ".999" in Table("", Style(fractions=True)).report(report)
    assert "." not in Table("").report(report)


def test_a_row_is_idle_if_nothing_moved_and_nothing_is_wrong() -> None:
    assert row(BLOCK, "web1", "vda").idle(BLOCK)
    assert not row(BLOCK, "web1", "vda", rd_merged=0.1).idle(BLOCK)
    assert not row(BLOCK, "web1", "vda", in_flight=1.0).idle(BLOCK)
    assert row(BLOCK, "web1", "vda", allocation=1e9, capacity=1e9, physical=1e9, wr_highest=1e9).idle(BLOCK)
    for state in ("unsupported", "gone", "stale", "unreadable", "new"):
        assert not row(BLOCK, "web1", "vda", state).idle(BLOCK)


def test_a_row_with_an_unknown_number_is_not_idle() -> None:
    """Unless its source never has that number, as a process's I/O has no requests."""
    assert row(BLOCK, "web1", "total", rd_req=None, wr_req=None).idle(BLOCK)
    assert not row(BLOCK, "web1", "vda", total={"busy_time": 3}, busy_time=None).idle(BLOCK)
    unknown: dict[str, Any] = dict.fromkeys(field.name for field in BLOCK.numbers)
    assert not row(BLOCK, "web1", "vda", **unknown).idle(BLOCK)
