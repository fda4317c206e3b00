"""Writes docs/abi.md from the field table that the built package has; part of `make docs`.

What is new in the table is also added to tests/golden/abi.json, the list of all that was ever published. Nothing is
taken out of it or changed there: a test compares the table with it.
"""

import json
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

- A row whose read failed (`gone`, `unreadable`, `denied`) has the time of that attempt in `time_ns`. It is -1 in a row
  without a counter source, which is never read, before the first answer of a VMM or card, and in memory that the plan
  has no row for.
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

## Which row, and which device

A program that subtracts two records needs both of one device. `Sample.rates` checks that; a program that reads records
by itself compares two fields:

- `row_id` is the row. A poller gives each row a number of its own and never gives it again. When a plan changes, rows
  that continue move to other places of the table and take their number along. So a record with another `row_id` in the
  same place is another row. It is unique within its poller, over both tables.
- `generation` is the device in the row. It goes up when another device takes the row's place: an interface that was
  deleted and created again, a disk under a number that was used before, the next run of a VMM.

Where both are the same, and the later `state` is `ok`, it is the same device. `poll_into` also marks every whole record
of its buffer that the plan has no row for: `state` is `gone`, everything else -1, so that nothing of an earlier plan
stays there. It returns the plan's number: while that does not change, no row moves.

$structs
## States

The number in a record's `state`, and the word for it in Python and in the command's output. A row is `ok`, `gone`,
`stale`, `unsupported`, `unreadable`, `denied` or `missing`; rates have the other states as well. No number is ever
reused.

| number | word | meaning |
|---|---|---|
$states

`vmiostat devices` has the reason for each device.

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
    root = Path(__file__).parents[2]
    (root / "docs/abi.md").write_text(page(), encoding="utf-8")
    golden = root / "tests/golden/abi.json"
    golden.write_text(_lines(published(json.loads(golden.read_text(encoding="utf-8")))), encoding="utf-8")
