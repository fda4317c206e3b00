"""Network interfaces that come, go, get another name, go up or down: rtnetlink's group RTNLGRP_LINK."""

import socket
import struct
from collections.abc import Iterator

from vmiostat.watching.netlink_group import NetlinkGroup

_RTMGRP_LINK = 1
_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_IFLA_IFNAME = 3
_STATE = 0x1 | 0x40 | 0x10000
"""IFF_UP, IFF_RUNNING, IFF_LOWER_UP. A tap's carrier tells whether a VMM holds it."""

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BBHiII")  # ifinfomsg: family, padding, type, index, flags, which of them changed
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type; the next begins at a multiple of 4


class LinkChanges(NetlinkGroup):
    """Says when an interface of the calling thread's network namespace has changed in what matters here."""

    def __init__(self) -> None:
        super().__init__(socket.NETLINK_ROUTE, _RTMGRP_LINK)
        self._links: dict[int, tuple[bytes, int]] = {}
        """Name and state of each link that was heard of: a driver may tell of its link often and of nothing new."""

    def _matters(self, message: bytes) -> bool:
        changed = False
        for kind, index, link in _links(message):
            if kind == _RTM_DELLINK:
                self._links.pop(index, None)
                changed = True
            elif self._links.get(index) != link:
                self._links[index] = link
                changed = True
        return changed

    def _lost(self) -> None:
        self._links.clear()


def _links(data: bytes) -> Iterator[tuple[int, int, tuple[bytes, int]]]:
    """Of each message about a link: its type, the link's index, its name and state."""
    while len(data) >= _MESSAGE.size:
        length, kind, _, _, _ = _MESSAGE.unpack_from(data)
        if not _MESSAGE.size <= length <= len(data):
            return
        body, data = data[_MESSAGE.size : length], data[_aligned(length) :]
        if kind not in (_RTM_NEWLINK, _RTM_DELLINK) or len(body) < _LINK.size:
            continue
        family, _, _, index, flags, _ = _LINK.unpack_from(body)
        if family == socket.AF_UNSPEC:  # else it tells of a bridge's port, or of IPv6's settings
            yield kind, index, (_name(body[_LINK.size :]), flags & _STATE)


def _name(attributes: bytes) -> bytes:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if not _ATTRIBUTE.size <= length <= len(attributes):
            break
        if kind == _IFLA_IFNAME:
            return attributes[_ATTRIBUTE.size : length].rstrip(b"\0")
        attributes = attributes[_aligned(length) :]
    return b""


def _aligned(length: int) -> int:
    return (length + 3) & ~3
