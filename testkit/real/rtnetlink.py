"""Interfaces changed as a hostile or busy host changes them: by rtnetlink, with the number that the test wants."""

import errno
import os
import socket
import struct
from typing import Self

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_REQUEST, _ACK, _CREATE, _EXCL = 0x1, 0x4, 0x400, 0x200
_ERROR = 2
_IFF_UP = 0x1
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_PID = 3, 18, 19
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_VETH_INFO_PEER = 1
_NESTED = 0x8000


class RouteSocket:
    """Changes interfaces of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sequence = 0

    def make_veth(self, name: str, peer: str, *, index: int = 0) -> int:
        """Makes a pair that is down; `index` is the number of the first, 0 lets the kernel choose. Returns it."""
        data = _attribute(_VETH_INFO_PEER, _link() + _named(peer))
        info = _attribute(_IFLA_INFO_KIND, b"veth") + _attribute(_IFLA_INFO_DATA | _NESTED, data)
        self._request(
            _NEWLINK, _link(index) + _named(name) + _attribute(_IFLA_LINKINFO | _NESTED, info), _CREATE | _EXCL
        )
        return index or self.index_of(name)

    def remove(self, index: int) -> None:
        self._request(_DELLINK, _link(index))

    def rename(self, index: int, name: str) -> None:
        """Only an interface that is down can be renamed, before Linux 6.2."""
        self.set_up(index, up=False)
        self._request(_NEWLINK, _link(index) + _named(name))
        self.set_up(index)

    def move(self, index: int, pid: int) -> None:
        """Into the network namespace of a process. It keeps its name and its number, and arrives down."""
        self._request(_NEWLINK, _link(index) + _attribute(_IFLA_NET_NS_PID, struct.pack("I", pid)))

    def set_up(self, index: int, *, up: bool = True) -> None:
        self._request(_NEWLINK, _link(index, flags=_IFF_UP if up else 0, change=_IFF_UP))

    def index_of(self, name: str) -> int:
        reply = self._request(_GETLINK, _link() + _named(name))
        index: int = struct.unpack_from("i", reply, 20)[0]
        return index

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _request(self, kind: int, body: bytes, flags: int = 0) -> bytes:
        """The reply before the acknowledgement, if there is one."""
        self._sequence += 1
        flags |= _REQUEST if kind == _GETLINK else _REQUEST | _ACK
        self._socket.send(struct.pack("IHHII", 16 + len(body), kind, flags, self._sequence, 0) + body)
        reply = self._socket.recv(1 << 16)
        if struct.unpack_from("H", reply, 4)[0] == _ERROR:
            number = -struct.unpack_from("i", reply, 16)[0]
            if number:
                raise OSError(number, f"{os.strerror(number)} ({errno.errorcode.get(number)})", "rtnetlink")
        return reply


def _link(index: int = 0, *, flags: int = 0, change: int = 0) -> bytes:
    """struct ifinfomsg."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def _attribute(kind: int, value: bytes) -> bytes:
    attribute = struct.pack("HH", 4 + len(value), kind) + value
    return attribute + bytes(-len(attribute) % 4)


def _named(name: str) -> bytes:
    return _attribute(_IFLA_IFNAME, name.encode() + b"\0")
