"""The results in Markdown: the README's section, and the page with all tables."""

from typing import Any

from benches.tables import text
from benches.tables.promises import medians
from benches.worst_case import WATCHED

BEGIN, END = "<!-- made by `make bench-report` from here -->", "<!-- to here -->"
INTERFACES = {
    "bare system calls, nothing parsed": ("floor: netlink-dump", "floor: netlink-singles", "floor: proc-net-dev"),
    '`poll_into()`, `interface_source="netlink"`': ("poll_into, netlink",),
    '`poll_into()`, `"auto"`': ("poll_into, auto",),
    '`poll_into()`, `"proc"`': ("poll_into, proc",),
    "procfs crate (Rust)": ("procfs crate",),
    "Python: open, read, close": ("Python: open, read, close",),
    "psutil, `nowrap=False`": ("psutil, nowrap=False",),
    "psutil": ("psutil",),
}
"""By line of the table: the columns of which the cheapest is shown."""
DISKS = {
    "bare system calls, nothing parsed": ("floor: diskstats", "floor: stat-files"),
    "`poll_into()`": ("poll_into",),
    "procfs crate (Rust)": ("procfs crate",),
    "Python: open, read, close": ("Python: open, read, close (diskstats)", "Python: open, read, close (stat files)"),
    "psutil, `nowrap=False`": ("psutil, nowrap=False",),
    "psutil": ("psutil",),
}
Results = dict[str, Any]


def readme_section(results: Results) -> str:
    """In Markdown: what matters most, and where the rest is."""
    return f"""{BEGIN}
![Cost of one reading against the number of devices](docs/development/performance.svg)

{_summary(results)}

The slowest of 200 readings a second of {WATCHED} interfaces. `"netlink"` waits for RTNL, the kernel's lock for network
configuration, for as long as it is held; `"auto"`, the default, does not:

{_worst(results)}
{_guests(results)}
[All measurements](docs/development/performance.md); `make bench` repeats them on your machine.
{END}"""


def details(results: Results) -> str:
    """In Markdown: all tables."""
    machine = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
    return f"""# Performance

Made by `make bench-report` from `benches/results/full.json`, which `make bench` wrote on this machine:
{machine}.

![Cost of one reading against the number of devices](performance.svg)

Times are medians of one reading of all devices. All programs were measured interleaved, so that other load met all of
them alike; before and after, all had to give the same numbers. The floors make the same system calls and parse nothing.

## Against other programs

Where there are several ways (system calls, plain Python), each column shows the cheapest.

{_cost(results, "interfaces", INTERFACES)}

{_cost(results, "disks", DISKS)}

## All measurements

`promise` lists the ratios that a change must not worsen, with their limits.

```text
{text.whole(results)}
```

---
[All pages](../index.md) · Next: [architecture](../architecture.md)
"""


def _summary(results: Results) -> str:
    """A sentence: what one reading of very many devices takes."""

    def reading(kind: str, column: str) -> str:
        tables = [table for table in results["tables"] if table["kind"] == kind]
        table = min(tables, key=lambda table: abs(table["devices"] - 1000))
        of = medians(table["columns"])
        return f"{table['devices']:,} {kind} in {text.time(of[column])} (psutil: {text.time(of['psutil'])})"

    machine = results["machine"]
    where = f"{machine['processors']} processors, Linux {machine['kernel']}, CPython {machine['python']}"
    return (
        f"`poll_into()` reads {reading('interfaces', 'poll_into, auto')} and "
        f"{reading('disks', 'poll_into')}.\nMedians; {where}."
    )


def _cost(results: Results, kind: str, lines: dict[str, tuple[str, ...]]) -> str:
    of_kind = [table for table in results["tables"] if table["kind"] == kind]
    rows = [[kind, *(f"{table['devices']:,}" for table in of_kind)]]
    for label, names in lines.items():
        times = [min(medians(table["columns"]).get(name, float("inf")) for name in names) for table in of_kind]
        rows.append([label, *map(text.time, times)])
    return _markdown(rows)


def _worst(results: Results) -> str:
    worst = results["worst"]
    during = list(dict.fromkeys(row["during"] for row in worst))
    slowest = {(row["name"], row["during"]): text.time(row["slowest_ns"]) for row in worst}
    names = dict.fromkeys(row["name"] for row in worst)
    shown = {name: name if name == "psutil" else f'`"{name}"`' for name in names}
    return _markdown([["", *during], *([shown[name], *(slowest[name, what] for what in during)] for name in names)])


def _guests(results: Results) -> str:
    """A paragraph, where guests of libvirt's were measured."""
    for table in results["tables"]:
        if table["kind"] == "guests":
            of = medians(table["columns"])
            ours, theirs = of["poll"], of["libvirt: getAllDomainStats"]
            return (
                f"\nAll that the kernel counts of {table['devices']} guests of a real libvirtd takes `poll()` "
                f"{text.time(ours)}; the\ndaemon's `getAllDomainStats` for the same guests "
                f"takes {text.time(theirs)}, {theirs / ours:,.0f} times as long.\n"
            )
    return ""


def _markdown(rows: list[list[str]]) -> str:
    heading, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([heading, "|---|" + "---:|" * (len(rows[0]) - 1), *others])
