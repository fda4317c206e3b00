"""Domains from Xen's xl: a configuration file (xl.cfg(5)), or the output of `xl list -l` for running domains.

A configuration has no domid, so its disks have no counters, and of its interfaces only those with a `vifname` do.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from vmiostat.discovery.xl.devices import disk, interface, xl_disk, xl_vif
from vmiostat.discovery.xl.syntax import Value, settings
from vmiostat.discovery.xml.definition import Definition
from vmiostat.disk_source import without_secrets
from vmiostat.errors import TopologyError
from vmiostat.model import Disk, Domain, Interface

PROVIDER = "xl"

_MAX_DOMID = 32751


def is_xl(data: bytes, path: str) -> bool:
    """Whether a file is xl's rather than XML: not named *.xml, and without the beginning of an XML document."""
    begins = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return not path.endswith(".xml") and b"\0" not in data and begins not in (b"", b"<")


def parse(data: bytes, path: str) -> list[Definition]:
    """The domains in a file of xl. Raises TopologyError if it cannot be used at all."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise TopologyError(f"this is neither XML nor text: {error.reason} at byte {error.start}", path) from None
    return list(_running(text, path)) if text.lstrip().startswith("[") else [_configured(text, path)]


def _configured(text: str, path: str) -> Definition:
    """The domain of a configuration file."""
    found = settings(text, path)
    name = found.get("name")
    if not isinstance(name, str) or not name.strip():
        raise TopologyError("the configuration has no name", path)
    problems: list[TopologyError] = []
    disks: dict[str, Disk] = {}
    for words in _strings(found.get("disk", [])):
        made = xl_disk(words)
        if made is None or made.target in disks:
            what = "has no vdev" if made is None else f"is a second {made.target!r}"
            problems.append(TopologyError(f"domain {name!r}: disk {_shown(words)!r} {what} and is left out", path))
        else:
            disks[made.target] = made
    nics = tuple(xl_vif(words, number) for number, words in enumerate(_strings(found.get("vif", []))))
    domain = Domain(
        name=name.strip(),
        uuid=_uuid(found.get("uuid")),
        type="xen",
        provider=PROVIDER,
        disks=tuple(disks.values()),
        interfaces=nics,
    )
    return Definition(domain, path, None, live=False, problems=tuple(problems))


def _shown(words: str) -> str:
    """The beginning of a disk's specification, fit for a message."""
    return ",".join(map(without_secrets, without_secrets(words).split(",")))[:100]


def _strings(value: Value) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _running(text: str, path: str) -> Iterator[Definition]:
    """The domains in the output of `xl list -l`, without dom0."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TopologyError(f"this is not the output of `xl list -l`: {error}", path) from None
    for entry in listed:
        config = _object(_object(entry).get("config"))
        about = _object(config.get("c_info"))
        domid, name = _object(entry).get("domid"), about.get("name")
        if type(domid) is not int or not 0 < domid <= _MAX_DOMID or not isinstance(name, str) or not name:
            continue
        domain = Domain(
            name=name,
            id=domid,
            uuid=_uuid(about.get("uuid")),
            type="xen",
            provider=PROVIDER,
            disks=tuple({made.target: made for made in map(_disk, _objects(config.get("disks"))) if made}.values()),
            interfaces=tuple(_nic(nic, number, domid) for number, nic in enumerate(_objects(config.get("nics")))),
        )
        yield Definition(domain, path, None, live=True)


def _disk(words: dict[str, Any]) -> Disk | None:
    return disk(
        _text(words, "vdev"),
        _text(words, "pdev_path"),
        backend=_text(words, "backend"),
        server=_server(words),
        cdrom=words.get("is_cdrom") in (1, "True", True),
    )


def _nic(words: dict[str, Any], number: int, domid: int) -> Interface:
    devid = words.get("devid")
    return interface(
        _text(words, "ifname") or None,
        _text(words, "mac") or None,
        _text(words, "bridge") or None,
        devid if type(devid) is int and devid >= 0 else number,
        domid,
        _server(words),
    )


def _server(words: dict[str, Any]) -> str:
    """The backend's domain by its name or else its domid, as in a configuration."""
    domid = words.get("backend_domid")
    return _text(words, "backend_domname") or (str(domid) if type(domid) is int else "")


def _uuid(value: object) -> str | None:
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(words: dict[str, Any], key: str) -> str:
    value = words.get(key)
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
