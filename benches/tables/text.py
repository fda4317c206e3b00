"""The results as text: one table of cost, one of the worst case, and what is promised."""

from typing import Any

from benches.tables.promises import medians, promises


def whole(results: dict[str, Any]) -> str:
    """All of it."""
    parts = [_cost(results["tables"]), _worst(results["worst"]), _promises(results)]
    return "\n\n".join(part for part in parts if part)


def time(nanoseconds: float) -> str:
    """With the unit that suits it: 850 ns, 4.52 us, 1.30 ms."""
    for unit, size in (("ns", 1), ("us", 1e3), ("ms", 1e6)):
        if nanoseconds < 999.5 * size or unit == "ms":
            return f"{nanoseconds / size:#.3g}".rstrip(".") + f" {unit}"
    raise AssertionError


def _cost(tables: list[dict[str, Any]]) -> str:
    """A line a way, a column a number of devices; the median of one reading of all of them."""
    parts = []
    for kind in dict.fromkeys(table["kind"] for table in tables):
        of_kind = {table["devices"]: medians(table["columns"]) for table in tables if table["kind"] == kind}
        names = dict.fromkeys(name for columns in of_kind.values() for name in columns)
        heading = [kind if kind != "one VM" else "one VM among", *(f"{count:,}" for count in of_kind)]
        rows = [
            [name, *(time(columns[name]) if name in columns else "-" for columns in of_kind.values())] for name in names
        ]
        parts.append(_aligned([heading, *rows]))
    return "\n\n".join(parts)


def _worst(worst: list[dict[str, Any]]) -> str:
    if not worst:
        return ""
    fields = ("p50_ns", "p99_ns", "p999_ns", "slowest_ns")
    rows = [[row["during"], row["name"], str(row["polls"]), *(time(row[field]) for field in fields)] for row in worst]
    return _aligned([["worst case, while", "", "polls", "p50", "p99", "p99.9", "slowest"], *rows])


def _promises(results: dict[str, Any]) -> str:
    found = promises(results)
    if not found:
        return ""
    rows = [
        [
            it.what,
            f"{it.ratio:.2f}",
            f"{'>=' if it.least else '<='} {it.limit:g}",
            "-" if it.floor is None else f"{it.floor:.2f}",
            "kept" if it.kept else "not kept",
        ]
        for it in found
    ]
    return _aligned([["promise", "ratio", "limit", "the floor's own", ""], *rows])


def _aligned(rows: list[list[str]]) -> str:
    """Text to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [all(cell[:1] in "0123456789-<>" for cell in column[1:] if cell) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
