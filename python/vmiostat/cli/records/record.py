"""A row as a record: whose it is, then its numbers in raw units, under the names of the field table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from vmiostat.cli.names import valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vmiostat.cli.rows import Row, Section

READING = ("state", "interval", "time_ns", "generation", "problem")
OWNER = ("host", "domain", "uuid", "id", "title", "nova_name", "device", "kind", "view", "direction", "provider")
REPORT = ("time", "since_boot")


class Machine(NamedTuple):
    """What all records of a command have in common."""

    host: str | None
    """The machine's name; None for a captured one without it."""
    view: str
    """From whose side rx and tx are: guest or host."""


def owner(row: Row, machine: Machine, text: Callable[[str], str] = valid) -> dict[str, Any]:
    """Whose record it is. `direction` says whether rx and tx are those of the host's device, or swapped."""
    domain = row.owner
    swapped = getattr(row.about, "swap_rx_tx", None)

    def known(name: str) -> Any:
        value = getattr(domain, name, None)
        return text(value) if isinstance(value, str) else value

    return {
        "host": None if machine.host is None else text(machine.host),
        "domain": text(row.domain),
        "uuid": known("uuid"),
        "id": known("id"),
        "title": known("title"),
        "nova_name": known("nova_name"),
        "device": text(row.device),
        "kind": row.kind,
        "view": machine.view,
        "direction": None if swapped is None else "swapped" if swapped else "as counted",
        "provider": known("provider"),
    }


def reading(row: Row, text: Callable[[str], str] = valid) -> dict[str, Any]:
    """How it was read, or why not."""
    return {
        "state": row.rates.state,
        "problem": None if row.problem is None else text(row.problem),
        "interval": row.interval,
        "time_ns": None if row.stats.time_ns == -1 else row.stats.time_ns,
        "generation": None if row.stats.generation == -1 else row.stats.generation,
    }


def numbers(section: Section, row: Row) -> dict[str, float | None]:
    """Its counters, and its rates with /s appended."""
    found: dict[str, float | None] = {field.name: row.total(field) for field in section.numbers}
    return found | {f"{field.name}/s": row.rate(field) for field in section.rated}


def number_names(section: Section) -> list[str]:
    """The keys of `numbers`."""
    return [field.name for field in section.numbers] + [f"{field.name}/s" for field in section.rated]


def chosen_fields(text: str, sections: Iterable[Section]) -> tuple[str, ...]:
    """The names of `--fields`. Raises ArgumentTypeError for one that no record has."""
    names = tuple(name.strip() for name in text.split(","))
    there_are = {*REPORT, *OWNER, *READING, *(name for section in sections for name in number_names(section))}
    for name in names:
        if name not in there_are:
            raise argparse.ArgumentTypeError(
                f"argument --fields: no record has {name!r}; it has {', '.join((*OWNER, *READING))}, and the fields "
                "of docs/abi.md, such as rd_bytes and rd_bytes/s"
            )
    return names


def chosen(record: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The record with these fields, as far as its section has them."""
    return {name: record[name] for name in fields if name in record}
