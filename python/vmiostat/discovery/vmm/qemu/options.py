"""QEMU's command line as a list of options, and an option's value by its keys: key=value,... or JSON.

The syntax is that of QEMU's own qemu-options.hx, util/qemu-option.c and util/keyval.c.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

Values = dict[str, str]
"""Nested keys are joined by dots (file.driver); JSON's numbers and booleans are strings (on, off)."""

# fmt: off
_WITHOUT_A_VALUE = frozenset(
    (
        "alt-grab", "async-teardown", "ctrl-grab", "curses", "daemonize", "enable-fips", "enable-hax", "enable-kvm",
        "enable-sync-profile", "full-screen", "h", "help", "jitdump", "localtime", "mem-prealloc", "no-acpi",
        "no-fd-bootchk", "no-frame", "no-hpet", "no-kvm", "no-kvm-irqchip", "no-kvm-pit", "no-kvm-pit-reinjection",
        "no-quit", "no-reboot", "no-shutdown", "no-user-config", "nodefaults", "nodefconfig", "nographic",
        "old-param", "one-insn-per-tb", "only-migratable", "perfmap", "portrait", "preconfig", "rtc-td-hack", "S",
        "s", "sdl", "semihosting", "show-cursor", "singlestep", "snapshot", "tdf", "usb", "version", "win2k-hack",
        "xen-attach", "xen-create", "xen-domid-restrict",
    )
)
# fmt: on
_ANY_VALUE = ("append", "name")
"""Options whose value may begin with a dash."""
_PART = re.compile(r"(?:[^,]|,,)+")
_MAX_DEPTH = 16
_MAX_KEYS = 256
"""Keys of one option that are parsed: any user may start a process whose command line is made to be slow to read."""


def options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each option, in order. An argument without an option is an image: its name is empty."""
    words = deque(arguments[1:])
    while words:
        word = words.popleft()
        if not word.startswith("-"):
            yield "", word
            continue
        name = word[1:].removeprefix("-")
        # An option of a newer QEMU that takes no value must not hide the option after it.
        has_value = words and (not words[0].startswith("-") or name in _ANY_VALUE)
        yield name, words.popleft() if has_value and name not in _WITHOUT_A_VALUE else ""


def values(text: str, first: str = "") -> Values:
    """An option's value by its keys. `first` is the key of a first part without one.

    >>> values("tap,id=net0,ifname=tap100i0,vhost=on", "type")
    {'type': 'tap', 'id': 'net0', 'ifname': 'tap100i0', 'vhost': 'on'}
    >>> values('{"driver": "raw", "file": {"driver": "file", "filename": "a,b"}}')
    {'driver': 'raw', 'file.driver': 'file', 'file.filename': 'a,b'}
    >>> values("guest=a,,b,process=c")["guest"]
    'a,b'
    """
    if text.startswith("{"):
        return _from_json(text)
    found: Values = {}
    for place, part in enumerate(islice(_PART.finditer(text), _MAX_KEYS)):
        # A comma in the value is doubled.
        key, equals, value = part[0].replace(",,", ",").partition("=")
        if equals:
            found[key] = value
        elif place == 0 and first:
            found[first] = key
        else:
            found[key.removeprefix("no")] = "off" if key.startswith("no") else "on"
    return found


def below(values: Values, key: str) -> Values:
    """The values nested under a key: {'driver': 'file'} for {'file.driver': 'file'}."""
    return {name[len(key) + 1 :]: value for name, value in values.items() if name.startswith(f"{key}.")}


def _from_json(text: str) -> Values:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return dict(islice(_flat(found, "", 0), _MAX_KEYS))


def _flat(thing: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(thing, (dict, list)) and depth < _MAX_DEPTH:
        parts = thing.items() if isinstance(thing, dict) else ((str(place), part) for place, part in enumerate(thing))
        for name, part in parts:
            yield from _flat(part, f"{key}.{name}" if key else name, depth + 1)
    elif isinstance(thing, bool):
        yield key, "on" if thing else "off"
    elif isinstance(thing, (str, int, float)):
        yield key, str(thing)
