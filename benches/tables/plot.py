"""The plot of the cost of one reading against the number of devices, every peer a line."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benches.tables import text
from benches.tables.promises import medians

GREY, BLUE, GREEN, SKY, ORANGE, RED, PURPLE, BROWN = (
    *("#767676", "#0054a6", "#1b7f4d", "#4aa3df"),
    *("#e08a00", "#c0392b", "#7d3c98", "#8d6e63"),
)
# By line: the columns of which the cheapest is drawn, and how.
INTERFACES = {
    "bare system calls": (("floor: netlink-dump", "floor: netlink-singles", "floor: proc-net-dev"), GREY, "--"),
    "vmiostat, netlink": (("poll_into, netlink",), GREEN, "-"),
    "vmiostat, auto": (("poll_into, auto",), BLUE, "-"),
    "vmiostat, proc": (("poll_into, proc",), SKY, "-"),
    "procfs crate": (("procfs crate",), ORANGE, "-"),
    "Python, kept open": (("Python: kept open",), PURPLE, "-"),
    "Python, open-read-close": (("Python: open, read, close",), BROWN, "-"),
    "psutil": (("psutil",), RED, "-"),
}
DISKS = {
    "bare system calls": (("floor: diskstats", "floor: stat-files"), GREY, "--"),
    "vmiostat": (("poll_into",), BLUE, "-"),
    "procfs crate": (("procfs crate",), ORANGE, "-"),
    "Python, kept open": (("Python: kept open (diskstats)", "Python: kept open (stat files)"), PURPLE, "-"),
    "Python, open-read-close": (
        ("Python: open, read, close (diskstats)", "Python: open, read, close (stat files)"),
        BROWN,
        "-",
    ),
    "psutil": (("psutil",), RED, "-"),
}
Lines = dict[str, tuple[tuple[str, ...], str, str]]


def plot(results: dict[str, Any], file: Path) -> None:
    """Writes an SVG that is the same whenever the results are."""
    mpl.use("svg")
    with mpl.rc_context({"svg.hashsalt": "vmiostat", "font.size": 9, "svg.fonttype": "path"}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
        _draw(left, results, "interfaces", INTERFACES)
        _draw(right, results, "disks", DISKS)
        left.set_ylabel("one reading of all, median")
        figure.savefig(file, metadata={"Date": None})
        pyplot.close(figure)


def _draw(axes: Axes, results: dict[str, Any], kind: str, lines: Lines) -> None:
    of_kind = [table for table in results["tables"] if table["kind"] == kind]
    counts = [table["devices"] for table in of_kind]
    last = {}
    for label, (names, colour, style) in lines.items():
        times = [min(medians(table["columns"]).get(name, float("inf")) for name in names) for table in of_kind]
        ours = label.startswith("vmiostat")
        (line,) = axes.plot(
            counts, times, style, color=colour, label=label, marker="o", markersize=3, linewidth=2 if ours else 1.2
        )
        last[label] = times[-1], line
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(kind)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: text.time(time).replace(".00", "").replace(".0", "")))
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    # In the order in which the lines end, so that the eye finds them.
    ordered = sorted(last.values(), key=lambda end: -end[0])
    axes.legend(handles=[line for _, line in ordered], frameon=False, fontsize=8)
