"""QEMU's configuration files (-readconfig), which Incus and LXD write: a section stands for an option."""

import re
from collections.abc import Iterator

_SECTION = re.compile(r'\[\s*([^\s\]"]+)\s*(?:"([^"]*)"\s*)?\]')
_VALUE = re.compile(r'([^\s=]+)\s*=\s*"([^"]*)"')


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the option that each section stands for.

    >>> list(sections('[netdev "n0"]\\n  type = "tap"\\n  ifname = "tap0"'))
    [('netdev', 'id=n0,type=tap,ifname=tap0')]
    """
    name, values = "", list[str]()
    for line in map(str.strip, text.splitlines()):
        if section := _SECTION.match(line):
            if name:
                yield name, ",".join(values)
            name, values = section[1], [_value("id", section[2])] if section[2] else []
        elif (value := _VALUE.match(line)) and not line.startswith("#"):
            values.append(_value(value[1], value[2]))
    if name:
        yield name, ",".join(values)


def _value(key: str, value: str) -> str:
    return f"{key}={value.replace(',', ',,')}"
