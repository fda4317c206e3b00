"""Writes docs/abi.md and the stub's fields from the field table that the built package has: `make docs`.

What is new in the table is also added to tests/golden/abi.json, the list of all that was ever published. Nothing is
taken out of it or changed there: a test compares the table with it.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from string import Template

from vmiostat._core import BLOCK_FIELDS, INTERFACE_FIELDS, STATE_HELP, STATES, Field

PAGE = Template("""\
# The structs, byte by byte

*Made by `make docs` from the field table in `rust/core/src/fields.rs`: change that, not this page.*

A record is a C struct of signed 64-bit words in the machine's byte order, without padding. A published field never
moves and never changes its meaning; later versions only append. Version 1 is byte for byte libvirt's struct, so code
that was compiled for libvirt's struct can read ours.

**-1 is "this source does not have it"**, never 0. A counter only grows until its device is reset; a gauge goes up and
down. The fields of kind `row` describe the reading (when, which device, whether it worked), not the device. `ns` are
nanoseconds; times are on the monotonic clock.

- Rows without counters (`gone`, `unreadable`, `unsupported`) have the time of the poll in `time_ns`. It is -1 only
  before the first answer of a VMM or card.
- The kernel counts the times of a block device in whole milliseconds, and `busy_time` in timer ticks (since Linux 5.0;
  4 ms where CONFIG_HZ is 250). QEMU counts nanoseconds.

## The size rule

A caller says how many bytes of the struct it knows: `domain.block_stats("vda", size=40)`, or
`poller.poll_into(block=buffer, block_size=40)`, where row *n* starts at byte *n* x `block_size`.

- Any size from 0 to the newest struct's is served: exactly that many of its first bytes are written. There is no
  minimum and no alignment, and a size may cut a field.
- A larger size is an error (`SizeError`) that names the limit, so that a caller newer than this library notices.
- So old callers keep working with a newer library, and a new caller can find out what an old library has.

| struct | version 1 | newest |
|---|---|---|
$sizes

$structs
## States

The number in a record's `state`, and the word for it in Python and in the command's output. A row is `ok`, `gone`,
`stale`, `unsupported` or `unreadable`; rates have the other states as well. No number is ever reused.

| number | word | meaning |
|---|---|---|
$states

`unsupported` also covers what this process may not read, or cannot find: `vmiostat devices` has the reason for each
device.

---
[All pages](index.md) · Next: [where the numbers are read](sources.md)
""")

STRUCT = Template("""\
## $name

| offset | size | name | version | kind | unit | help |
|---|---|---|---|---|---|---|
$rows

```c
struct $tag {
$members
};
```
""")

STUB_FIELDS = re.compile(r"(    # The fields of (\w+), made by `make docs` from here\n)(?:.*\n)*?(    # to here\n)")

STUB = Path(__file__).parents[2] / "python/vmiostat/_core.pyi"
STATE = "A word of STATES; in the tuple, the bytes and the arrays it is that word's number."

WORD = 8
"""Bytes of each field: they are all int64_t."""


def page() -> str:
    """The text of docs/abi.md."""
    structs = {"BlockStats": BLOCK_FIELDS, "InterfaceStats": INTERFACE_FIELDS}
    return PAGE.substitute(
        sizes="\n".join(
            f"| `{name}` | {_size(fields, 1)} bytes | {_size(fields)} bytes |" for name, fields in structs.items()
        ),
        structs="\n".join(_struct(name, fields) for name, fields in structs.items()),
        states="\n".join(f"| {number} | `{word}` | {STATE_HELP[number]} |" for number, word in enumerate(STATES)),
    )


def _size(fields: tuple[Field, ...], version: int | None = None) -> int:
    return max(field.offset + WORD for field in fields if version is None or field.version <= version)


def _struct(name: str, fields: tuple[Field, ...]) -> str:
    rows = [
        f"| {field.offset} | {WORD} | `{field.name}` | {field.version} | {field.kind} | {field.unit} | {field.help} |"
        for field in fields
    ]
    members = []
    for version in sorted({field.version for field in fields}):
        members.append(f"    /* version {version}: {_size(fields, version)} bytes */")
        members += [f"    int64_t {field.name};" for field in fields if field.version == version]
    tag = {"BlockStats": "vmiostat_block_stats", "InterfaceStats": "vmiostat_interface_stats"}[name]
    return STRUCT.substitute(name=name, rows="\n".join(rows), tag=tag, members="\n".join(members))


def stub(text: str) -> str:
    """_core.pyi with the fields of its structs as they are now."""
    return STUB_FIELDS.sub(lambda found: found[1] + "".join(_properties(found[2])) + found[3], text)


def _properties(name: str) -> Iterator[str]:
    for field in BLOCK_FIELDS if name.startswith("Block") else INTERFACE_FIELDS:
        head = f"    @property\n    def {field.name}(self) ->"
        if name.endswith("Rates"):
            if field.kind != "row":
                yield f"{head} float | None: ...\n"
        elif field.name == "state":
            yield f'{head} str:\n        """{STATE}"""\n'
        else:
            unit = "" if field.unit == "number" else f"; in {field.unit}"
            gauge = ", a gauge" * (field.kind == "gauge")
            told = f'"""{field.help[0].upper()}{field.help[1:]}{unit}{gauge}."""'
            yield f"{head} int:\n{textwrap.indent(textwrap.fill(told, 112), ' ' * 8)}\n"


def published(before: dict[str, dict[str, list[int]]]) -> dict[str, dict[str, list[int]]]:
    """`before` and what is new: fields by name with [offset, version], states by word with [number]."""
    now = {
        "block": {field.name: [field.offset, field.version] for field in BLOCK_FIELDS},
        "interface": {field.name: [field.offset, field.version] for field in INTERFACE_FIELDS},
        "states": {word: [number] for number, word in enumerate(STATES)},
    }
    return {part: now[part] | before.get(part, {}) for part in now}


def _lines(golden: dict[str, dict[str, list[int]]]) -> str:
    # An entry a line, so that a change to it shows as what it is.
    parts = []
    for part, entries in golden.items():
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(numbers)}" for name, numbers in entries.items())
        parts.append(f"  {json.dumps(part)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    (Path(__file__).parents[1] / "abi.md").write_text(page(), encoding="utf-8")
    STUB.write_text(stub(STUB.read_text(encoding="utf-8")), encoding="utf-8")
    golden = Path(__file__).parents[2] / "tests/golden/abi.json"
    golden.write_text(_lines(published(json.loads(golden.read_text(encoding="utf-8")))), encoding="utf-8")
