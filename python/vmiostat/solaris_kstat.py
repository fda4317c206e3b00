"""The counters of Xen's backends in a Solaris or illumos dom0, from the text that `kstat -p` prints there.

vmiostat does not run there. So the text is given: as it is, in a file, or by a command (`ssh dom0 kstat -p`). This was
made by illumos' source and never held against a real one.

Disks are `xdb` and a number, which xenstore has in the backend's `instance`. Only requests are counted, no bytes:
these are -1. A barrier counts as a write, too. Interfaces are links, by the name in the backend's `nic`; no drops are
counted. They are in the host's view: what the guest sends is rx.
"""

import os
import re
import selectors
import struct
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vmiostat._core import BLOCK_FIELDS, INTERFACE_FIELDS, BlockStats, Field, InterfaceStats
from vmiostat.errors import SourceError

_LINE = re.compile(
    r"(xdb|link):([0-9]{1,9}):([^:\t]{1,64}):([a-z0-9_]{1,31})\t([0-9]{1,20}(?:\.[0-9]{1,9})?)", re.ASCII
)
_BLOCK = {"rd_req": "rd_reqs", "wr_req": "wr_reqs", "errs": "oo_reqs", "fl_req": "fl_reqs"}
_INTERFACE = {
    "rx_bytes": "rbytes64",
    "rx_packets": "ipackets64",
    "rx_errs": "ierrors",
    "tx_bytes": "obytes64",
    "tx_packets": "opackets64",
    "tx_errs": "oerrors",
}
_MOST = (1 << 63) - 1
_LIMIT = 64 << 20
"""Bytes of text. A large machine prints a few million."""
_TOO_LONG = f"more than {_LIMIT} bytes, which no kstat does"
_SAID = 4096
"""Bytes of what a command says on standard error, of which the last line is told."""


@dataclass(frozen=True, slots=True)
class Kstat:
    """Counters by the name of the disk (`xdb0`) or the link."""

    block: dict[str, BlockStats] = field(default_factory=dict)
    interface: dict[str, InterfaceStats] = field(default_factory=dict)


def parse(text: str) -> Kstat:
    """What is there of disks and links; all other lines are passed over.

    `time_ns` is when the kernel took the numbers (snaptime), `generation` when it made the device (crtime): another one
    under the same name has a later one. Both are nanoseconds of that machine's own clock.

    >>> parse("xdb:0:req_statistics:rd_reqs\\t7\\n").block["xdb0"].rd_req
    7
    """
    devices: dict[tuple[str, str], dict[str, str]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        kind, instance, name, statistic, value = match.groups()
        if kind == "xdb" and name == "req_statistics":
            devices.setdefault((kind, f"xdb{instance}"), {})[statistic] = value
        elif kind == "link" and instance == "0":
            devices.setdefault((kind, name), {})[statistic] = value
    found = Kstat()
    for (kind, name), statistics in devices.items():
        if kind == "xdb":
            found.block[name] = BlockStats.from_bytes(_packed(BLOCK_FIELDS, _BLOCK, statistics))
        else:
            found.interface[name] = InterfaceStats.from_bytes(_packed(INTERFACE_FIELDS, _INTERFACE, statistics))
    return found


def from_file(path: str | os.PathLike[str]) -> Kstat:
    """What a file holds. Raises SourceError."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LIMIT + 1)
    except OSError as error:
        raise SourceError(error.errno, error.strerror, os.fspath(path)) from error
    if len(text) > _LIMIT:
        raise SourceError(f"{os.fspath(path)} holds {_TOO_LONG}")
    return parse(text.decode("ascii", "replace"))


def from_command(command: Sequence[str], timeout: float = 10.0) -> Kstat:
    """What a command prints, which is ended after so many seconds. Raises SourceError."""
    until = time.monotonic() + timeout
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise SourceError(error.errno, error.strerror, command[0]) from error
    with process:
        try:
            text, said = _outputs(process, until)
            if len(text) > _LIMIT:
                raise SourceError(f"{command[0]} has printed {_TOO_LONG}")
            status = process.wait(until - time.monotonic())
        except (TimeoutError, subprocess.TimeoutExpired):
            raise SourceError(f"{command[0]} has not ended in {timeout:g} s") from None
        finally:
            process.kill()
    if status != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise SourceError(f"{command[0]} has failed with status {status}: {''.join(last) or 'it said nothing'}")
    return parse(text.decode("ascii", "replace"))


def _outputs(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, bytes]:
    """What it prints, no further than past the limit, and the end of what it says on standard error.

    Raises TimeoutError.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    text, said = bytearray(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map() and len(text) <= _LIMIT:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    text += data
                else:
                    said = (said + data)[-_SAID:]
    return bytes(text), said


def _packed(fields: Iterable[Field], names: Mapping[str, str], found: Mapping[str, str]) -> bytes:
    """The struct's bytes, in which every field is -1 that nothing fills."""
    words = dict.fromkeys((field.name for field in fields), -1)
    for name, statistic in names.items():
        number = int(found.get(statistic, "-1").partition(".")[0])
        words[name] = number if number <= _MOST else -1
    words |= {"time_ns": _ns(found.get("snaptime")), "generation": _ns(found.get("crtime")), "state": 0}
    return struct.pack(f"={len(words)}q", *words.values())


def _ns(seconds: str | None) -> int:
    """Of a number of seconds, exactly: a float has too few digits after a month."""
    if seconds is None:
        return -1
    whole, _, part = seconds.partition(".")
    return min(int(whole) * 10**9 + int(part.ljust(9, "0") or 0), _MOST)
