"""Frames sent in another network namespace than the test's own."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from testkit.real.devices import UNHEARD, frame

Result = TypeVar("Result")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def in_namespace(namespace: Path, work: Callable[[], Result]) -> Result:
    """Does work in a network namespace: in a thread, which alone goes there, and ends."""
    done: list[Result] = []
    failed: list[BaseException] = []

    def there() -> None:
        try:
            with namespace.open("rb") as entered:
                if _libc.setns(entered.fileno(), _CLONE_NEWNET) != 0:  # os.setns is there since Python 3.12
                    raise OSError(ctypes.get_errno(), "setns", str(namespace))
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


class Wire:
    """Sends frames out of an interface of a network namespace: a guest behind a tap receives them."""

    def __init__(self, namespace: Path, interface: str) -> None:
        self._socket = in_namespace(namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self._socket.bind((interface, 0))

    def send(self, count: int, size: int) -> None:
        for _ in range(count):
            self._socket.send(frame(UNHEARD, size))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def same_namespace(one: str | Path, other: str | Path) -> bool:
    """Whether two files stand for one namespace."""
    return os.path.samefile(one, other)  # noqa: PTH121 (either may be a str)
