"""The whole run, each column once, on few devices: that it works, not what it shows."""

import json
from pathlib import Path

import pytest

from benches import sizes
from benches.run import run
from benches.tables import markdown, text


@pytest.mark.slow
@pytest.mark.alone  # psutil remembers disks by name, and other tests reuse the names
def test_run_once(tmp_path: Path) -> None:
    results = json.loads(json.dumps(run(tmp_path, sizes.ONCE)))
    assert [(table["kind"], table["devices"]) for table in results["tables"]] == [
        ("interfaces", 1),
        ("disks", 1),
        ("interfaces", 10),
        ("disks", 3),
        ("one VM", 10),
    ]
    assert all(column["min_ns"] > 0 for table in results["tables"] for column in table["columns"])
    assert len({(row["name"], row["during"]) for row in results["worst"]}) == 15
    shown = text.whole(results)
    assert "floor: netlink-dump" in shown
    assert "psutil" in shown
    assert "slowest" in shown
    assert shown in markdown.details(results)
    section = markdown.readme_section(results)
    assert '| `"netlink"` | ' in section
    assert "| psutil | " in section


def test_times_are_shown_with_three_digits() -> None:
    shown = {850: "850 ns", 999.6: "1.00 us", 4520: "4.52 us", 65432: "65.4 us", 123456: "123 us", 1.3e6: "1.30 ms"}
    assert {nanoseconds: text.time(nanoseconds) for nanoseconds in shown} == shown
