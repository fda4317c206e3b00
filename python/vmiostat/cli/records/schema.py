"""The JSON Schema of a report, from the field table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmiostat import STATES
from vmiostat.cli.rows import BLOCK, INTERFACE

if TYPE_CHECKING:
    from vmiostat.cli.rows import Section

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER = {"type": ["integer", "null"], "minimum": 0}
_RATE = {"type": ["number", "null"]}


def schema() -> dict[str, Any]:
    """The schema of one line of `vmiostat --json` (not of `--fields`, which chooses)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report of vmiostat --json",
        **_object(
            {
                "time": _TEXT | {"format": "date-time"},
                "since_boot": {"type": "boolean", "description": "whether its rates cover the time since boot"},
                "block": _rows(BLOCK),
                "interface": _rows(INTERFACE),
            },
            optional=("block", "interface"),
        ),
    }


def _rows(section: Section) -> dict[str, Any]:
    kinds = ["disk", "total", "sum"] if section is BLOCK else ["interface", "sum"]
    directions = [None] if section is BLOCK else ["swapped", "as counted", None]
    row = {
        "host": _TEXT_OR_NULL | {"description": "the name of the machine"},
        "domain": _TEXT,
        "uuid": _TEXT_OR_NULL,
        "id": _NUMBER | {"description": "libvirt's id or Xen's domid"},
        "title": _TEXT_OR_NULL | {"description": "libvirt's title"},
        "nova_name": _TEXT_OR_NULL | {"description": "OpenStack's name of the instance"},
        "device": _TEXT,
        "kind": {"enum": kinds},
        "view": {"enum": ["guest", "host"], "description": "from whose side rx and tx are"},
        "direction": {"enum": directions, "description": "whether rx and tx of the host's device are swapped"},
        "provider": _TEXT_OR_NULL | {"description": "what found the domain"},
        "state": {"enum": list(STATES)},
        "problem": _TEXT_OR_NULL | {"description": "why there are no counters"},
        "interval": _RATE | {"description": "seconds that the rates cover"},
        "time_ns": _NUMBER | {"description": "when it was read, on the monotonic clock"},
        "generation": _NUMBER | {"description": "goes up when another device takes this row's place"},
        "rates": _object({field.name: _RATE | {"description": f"{field.help}, per second"} for field in section.rated}),
        "counters": _object({field.name: _NUMBER | {"description": field.help} for field in section.numbers}),
    }
    return {"type": "array", "items": _object(row)}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
