"""Real devices, made for one test and gone after it: a network namespace with taps and veths, and loop devices.

Everything here needs root. A counter of a device made here has seen only what the test itself sent.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFTXQLEN, _IFF_UP = 0x8913, 0x8914, 0x8943, 0x1
_LOOP_SET_FD, _LOOP_CLR_FD = 0x4C00, 0x4C01
_LOOP_CTL_ADD, _LOOP_CTL_REMOVE = 0x4C80, 0x4C81
_BLKDISCARD = 0x1277

HEARD, UNHEARD = 0x88B5, 0x88B6
"""The ethertypes for local experiments: a `Listener` takes the first; nobody takes the other: the kernel drops it."""

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


@contextmanager
def network_namespace(sys: Path) -> Iterator[Path]:
    """The calling thread, and every thread and process it starts, in a new network namespace. `sys` becomes its /sys.

    Call it in the main thread: /proc/net is a link to self/net, and shows every thread the main thread's namespace.
    /sys shows the network namespace of who mounted it, so the new one needs a mount of its own.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        _checked(_libc.unshare(_CLONE_NEWNET), "unshare(CLONE_NEWNET)")
        try:
            disable_ipv6()
            sys.mkdir(exist_ok=True)
            _checked(_libc.mount(b"sysfs", bytes(sys), b"sysfs", 0, None), f"mount sysfs at {sys}")
            try:
                yield sys
            finally:
                _checked(_libc.umount2(bytes(sys), 2), f"umount {sys}")  # 2: MNT_DETACH, files in it may still be open
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET), "setns(the first network namespace)")
    finally:
        os.close(home)


def disable_ipv6() -> None:
    """In the calling thread's network namespace: no router solicitations, only the test's own frames are counted."""
    for scope in ("all", "default"):
        disable = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        if disable.exists():
            disable.write_text("1")


def set_up(name: str, *, up: bool = True) -> None:
    """Sets an interface up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", name.encode(), 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags))


def frame(ethertype: int, size: int) -> bytes:
    """An Ethernet frame of `size` bytes to everybody."""
    return (b"\xff" * 6 + b"\x02\0\0\0\0\1" + struct.pack("!H", ethertype)).ljust(size, b"\0")


def host_sends(name: str, count: int, size: int, ethertype: int = HEARD) -> None:
    """The host sends frames out of an interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((name, 0))
        for _ in range(count):
            wire.send(frame(ethertype, size))


class Listener:
    """Somebody on the host who takes an interface's frames of the type HEARD: without one the kernel drops them."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(HEARD))
        self._socket.bind((name, HEARD))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


class Tap:
    """A tap, the host's end of a guest's interface, and the descriptor that a VMM would hold: the guest's end.

    `queue` is how many frames wait for the guest before the kernel drops them.
    """

    def __init__(self, name: str, *, queue: int | None = None, up: bool = True) -> None:
        self.name = name
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sh22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
        if queue is not None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", name.encode(), queue))
        if up:
            set_up(name)

    def guest_sends(self, count: int, size: int, ethertype: int = HEARD) -> None:
        for _ in range(count):
            os.write(self._fd, frame(ethertype, size))

    def guest_receives(self) -> list[int]:
        """Takes all frames that wait for the guest; their sizes. The kernel counts a frame as sent when it is taken."""
        sizes = []
        while True:
            try:
                sizes.append(len(os.read(self._fd, 65536)))
            except BlockingIOError:
                return sizes

    def close(self) -> None:
        """The VMM ends: the tap is gone."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make_veths(pairs: Sequence[tuple[str, str]]) -> None:
    """Makes pairs of veths, up. They go with their namespace, or by `remove_interface`."""
    lines = [f"link add {one} up type veth peer name {other}\nlink set {other} up\n" for one, other in pairs]
    subprocess.run(["ip", "-batch", "-"], input="".join(lines).encode(), check=True)


def remove_interface(name: str) -> None:
    """Removes a veth (and so its peer)."""
    subprocess.run(["ip", "link", "del", name], check=True)


class Loop:
    """A loop device on a file of its own, and what a guest does with a disk: whole blocks, past the page cache.

    `number` chooses the minor number; a device that is closed and made again under the same number is another one.
    """

    BLOCK = 4096

    def __init__(self, file: Path, *, number: int | None = None, size: int = 1 << 20) -> None:
        control = os.open("/dev/loop-control", os.O_RDWR)
        try:
            # -1 lets the kernel choose. Either way the device is new, never one that the machine already uses.
            self.minor = fcntl.ioctl(control, _LOOP_CTL_ADD, -1 if number is None else number)
        finally:
            os.close(control)
        self.major = 7
        self.name = f"loop{self.minor}"
        self.path = f"/dev/{self.name}"
        self._memory = mmap.mmap(-1, self.BLOCK)  # O_DIRECT wants aligned memory, and a mapping is
        try:
            self.attach(file, size=size)
        except BaseException:
            self._remove()
            raise

    def attach(self, file: Path, *, size: int) -> None:
        """Gives it a medium."""
        with file.open("ab") as medium:
            medium.truncate(size)
        self._fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        backing = os.open(file, os.O_RDWR)
        try:
            fcntl.ioctl(self._fd, _LOOP_SET_FD, backing)
        except BaseException:
            os.close(self._fd)
            raise
        finally:
            os.close(backing)
        if Path("/run/udev/control").exists():  # udev reads every new disk's first blocks: let it end before we count
            subprocess.run(["udevadm", "settle"], check=True)

    def write(self, blocks: int) -> None:
        for block in range(blocks):
            os.pwritev(self._fd, [self._memory], block * self.BLOCK)

    def read(self, blocks: int) -> None:
        for block in range(blocks):
            os.preadv(self._fd, [self._memory], block * self.BLOCK)

    def flush(self) -> None:
        os.fsync(self._fd)

    def discard(self, blocks: int) -> None:
        """One discard request of so many blocks."""
        fcntl.ioctl(self._fd, _BLKDISCARD, struct.pack("QQ", 0, blocks * self.BLOCK))

    def detach(self) -> None:
        """Takes its medium out; the device stays."""
        fcntl.ioctl(self._fd, _LOOP_CLR_FD)
        os.close(self._fd)

    def close(self) -> None:
        """Detaches the file and removes the device."""
        self.detach()
        self._remove()

    def _remove(self) -> None:
        control = os.open("/dev/loop-control", os.O_RDWR)
        try:
            fcntl.ioctl(control, _LOOP_CTL_REMOVE, self.minor)
        except OSError as error:
            if error.errno != errno.EBUSY:  # somebody else looks at it: it then stays, empty
                raise
        finally:
            os.close(control)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
