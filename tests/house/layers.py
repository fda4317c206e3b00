"""Who may know whom. What a layer may know is below it: data goes one way."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    rooms: str
    """Modules and folders that make up the layer, and may know each other; "." is the root, __init__.py or lib.rs."""
    knows: str = ""
    """Layers below it."""
    never: str = ""
    """A pattern that its text must not contain."""


CORE = {
    "machine": Layer("clock error fork_guard roots signal_mask boot_time"),
    "records": Layer("fields state rows rates earlier_rows plan_id latest_stats", "machine", never=r"\bfs::"),
    "parsers": Layer("parse", "records", never=r"\bfs::|\brustix::"),
    "sources": Layer("source plan", "machine records parsers"),
    "events": Layer("events", "machine parsers sources"),
    "poller": Layer("poller .", "machine records parsers sources events"),
}
"""rust/core/src. It knows no Python: that is what rust/py is for."""

PRINTS = r"^[^>\n]*(\bprint\(|\bsys\.std(out|err)\b)"
"""But for the examples in docstrings."""
FILES = r"\bopen\(|\bread_text\(|\bread_bytes\("

PACKAGE = {
    "core": Layer("_core _core_bases _core_events _core_fields"),
    "errors": Layer("errors"),
    "model": Layer("model counter_sources disk_source", "core errors", never=f"{FILES}|{PRINTS}"),
    "system": Layer("system threads", "core errors", never=PRINTS),
    "discovery": Layer("discovery", "core errors model system", never=PRINTS),
    "resolve": Layer("resolve", "core errors model system", never=PRINTS),
    "polling": Layer("polling watching qemu_stats", "core errors model system discovery resolve", never=PRINTS),
    "public": Layer(
        ". host dtypes psutil_compat solaris_kstat", "core errors model system discovery resolve polling", never=PRINTS
    ),
    "cli": Layer("cli __main__", "errors model public"),
}
"""python/vmiostat. A surface, such as the command, knows what users import, and no other surface."""

HOUSE = {
    "package": Layer("vmiostat"),
    "examples": Layer("examples", "package"),
    "testkit": Layer("testkit", "package"),
    "lab": Layer("lab", "package testkit"),
    "docs": Layer("docs", "package"),
    "benches": Layer("benches", "package testkit lab"),
    "tests": Layer("tests", "package testkit lab docs"),
}
"""The folders of Python."""
