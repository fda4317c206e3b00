"""Event sources: parsing what the kernel sends, and going on when a source fails."""

import ctypes
import errno
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.no_descriptor_left import no_descriptor_left
from vmiostat import Domain, Interface, Roots
from vmiostat.counter_sources import NetDevice
from vmiostat.watching import device_changes, folder_changes, link_changes
from vmiostat.watching.event_sources import EventSources
from vmiostat.watching.netlink_group import NetlinkGroup

NEW, DEL = 16, 17
UP = 0x1


def link(
    name: bytes, *, kind: int = NEW, index: int = 7, flags: int = UP, family: int = 0, before: bytes = b""
) -> bytes:
    """A message about a link, with the attributes `before` in front of its name."""
    attribute = struct.pack("=HH", 4 + len(name) + 1, 3) + name + b"\0"
    body = struct.pack("=BBHiII", family, 0, 0, index, flags, 0) + before + attribute
    body += b"\0" * (-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


MAC = struct.pack("=HH6s2x", 10, 1, b"abcdef")


class Links(link_changes.LinkChanges):
    """Without a socket."""

    def __init__(self) -> None:
        self._links = {}

    def matter(self, message: bytes) -> bool:
        return self._matters(message)


def test_a_link_that_comes_goes_or_changes_matters_but_a_repeated_message_does_not() -> None:
    links = Links()
    assert links.matter(link(b"vnet0"))
    assert not links.matter(link(b"vnet0", before=MAC))
    assert links.matter(link(b"vnet0", flags=0))
    assert links.matter(link(b"vnet1", flags=0, before=MAC))
    assert not links.matter(link(b"vnet1", flags=0x1000))  # IFF_MULTICAST
    assert not links.matter(link(b"vnet1", family=socket.AF_INET6, index=8))
    assert links.matter(link(b"vnet1", kind=DEL, flags=0))
    assert links.matter(link(b"vnet1", flags=0))
    assert not links.matter(link(b"vnet1", flags=0) * 3)
    assert links.matter(link(b"vnet1", flags=0) + link(b"tap0", index=9))
    assert not links.matter(struct.pack("=IHHII", 16, 3, 0, 0, 0))  # NLMSG_DONE


@given(st.binary(max_size=80))
def test_any_bytes_as_link_messages(data: bytes) -> None:
    Links().matter(data)
    Links().matter(link(b"vnet0") + data)
    message = bytearray(link(b"vnet0", before=MAC))
    message[-len(data) or len(message) :] = data[: len(message)]
    Links().matter(bytes(message))


@given(st.integers(0, 51), st.integers(0, 255))
def test_any_length_in_link_messages(place: int, value: int) -> None:
    message = bytearray(link(b"vnet0", before=MAC))
    message[place] = value
    Links().matter(bytes(message))
    Links().matter(bytes(message[:place]))


@given(st.binary(max_size=100))
def test_any_bytes_as_folder_events(data: bytes) -> None:
    assert len(list(folder_changes._events(data))) <= len(data) // 16
    event = struct.pack("=iIII16s", 1, 0x80, 0, 16, b"web1.xml")
    assert next(folder_changes._events(event + data)) == (1, 0x80, b"web1.xml")


class Devices(device_changes.DeviceChanges):
    """Without a socket."""

    def __init__(self) -> None:
        pass

    def matter(self, message: bytes) -> bool:
        return self._matters(message)


def test_disks_and_xen_backends_matter() -> None:
    for subsystem in (b"block", b"xen-backend"):
        path = b"/devices/virtual/block/loop0"
        words = [b"add@" + path, b"ACTION=add", b"DEVPATH=" + path, b"SUBSYSTEM=" + subsystem, b"SEQNUM=7", b""]
        assert Devices().matter(b"\0".join(words))
    assert not Devices().matter(b"add@/devices/usb\0ACTION=add\0SUBSYSTEM=usb\0DEVNAME=block\0")
    assert not Devices().matter(b"")
    assert not Devices().matter(b"\0" * 100)


class Group(NetlinkGroup):
    """A group that only the test sends to."""

    lost = 0

    def _matters(self, message: bytes) -> bool:
        return message == b"matters"

    def _lost(self) -> None:
        self.lost += 1


def test_lost_messages_call_for_a_scan() -> None:
    try:
        group = Group(socket.NETLINK_USERSOCK, 1)
    except PermissionError:
        pytest.skip("needs root: any process may send to this group")
    try:
        assert not group.drain()
        broadcast(b"does not matter")
        assert not group.drain()
        broadcast(b"matters")
        assert group.drain()
        assert not group.drain()
        for _ in range(2000):
            broadcast(b"does not matter")
        assert group.drain()
        assert group.lost == 1
        while group.drain():
            pass
    finally:
        group.close()


def broadcast(message: bytes) -> None:
    sender = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_USERSOCK)
    with sender, suppress(ConnectionRefusedError):  # from the kernel, which gets every such message, too
        sender.sendto(message, (0, 1))


class Broken:
    """An event source whose descriptor is always readable, but cannot be read."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(1)

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> bool:
        raise OSError(5, "Input/output error")

    def close(self) -> None:
        os.close(self._descriptor)


def test_a_source_that_fails_is_a_problem_and_affects_no_other(tmp_path: Path) -> None:
    (tmp_path / "run/libvirt/qemu").mkdir(parents=True)
    sources = EventSources(Roots(tmp_path), None, {"it breaks": Broken})
    try:
        assert sources.wait(10)
        assert not sources.wait(0)
        (problem,) = sources.problems
        assert "Input/output error" in str(problem)
        (tmp_path / "run/libvirt/qemu/web1.xml").write_text("")
        assert sources.wait(10)
    finally:
        sources.close()


def test_a_wait_longer_than_select_can_take(tmp_path: Path) -> None:
    sources = EventSources(Roots(tmp_path), tmp_path)
    try:
        (tmp_path / "web1.xml").write_text("")
        assert sources.wait(1e300)
    finally:
        sources.close()


def test_sources_that_cannot_be_opened_are_problems_and_are_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> int:
        raise OSError(24, "Too many open files")

    (tmp_path / "libvirt/qemu").mkdir(parents=True)
    with monkeypatch.context() as broken:
        broken.setattr("vmiostat.watching.event_sources.FolderChanges.__init__", refused)
        broken.setattr("vmiostat.watching.event_sources.LinkChanges.__init__", refused)
        sources = EventSources(Roots(run=tmp_path), None)
    try:
        assert len(list(sources.problems)) == 2
        assert all("Too many open files" in str(problem) for problem in sources.problems)
        assert not sources.wait(0)
        sources.renew()
        assert len(list(sources.problems)) == 2  # not retried at once, because it may always fail
        monkeypatch.setattr("vmiostat.watching.event_sources._RETRY", 0.0)
        sources.renew()
        assert not sources.problems
        (tmp_path / "libvirt/qemu/web1.xml").write_text("")
        assert sources.wait(10)
    finally:
        sources.close()


def test_a_machine_with_more_folders_than_the_user_may_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoMore:
        """libc at the limit of a user's watches."""

        def inotify_add_watch(self, *arguments: object) -> int:
            ctypes.set_errno(errno.ENOSPC)
            return -1

        def __getattr__(self, name: str) -> object:
            return getattr(libc, name)

    libc = folder_changes._libc
    with monkeypatch.context() as full:
        full.setattr(folder_changes, "_libc", NoMore())
        sources = EventSources(Roots(tmp_path), tmp_path)
    try:
        (problem,) = sources.problems
        assert "No space left" in str(problem)
        sources.renew()
        assert sources.problems == ()
        (tmp_path / "web1.xml").write_text("")
        assert sources.wait(10)
    finally:
        sources.close()


def test_folders_stay_watched_while_they_cannot_be_opened(tmp_path: Path) -> None:
    sources = EventSources(Roots(tmp_path), tmp_path)
    try:
        with no_descriptor_left():
            sources.renew()
            assert "Too many open files" in str(sources.problems[0])
        (tmp_path / "web1.xml").write_text("")
        assert sources.wait(10)
        sources.renew()
        assert sources.problems == ()
    finally:
        sources.close()


def test_a_refused_wait_is_a_problem_until_one_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> object:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    sources = EventSources(Roots(tmp_path), None)
    try:
        with monkeypatch.context() as broken:
            broken.setattr("selectors.PollSelector.select", refused)
            slept: list[float] = []
            broken.setattr("time.sleep", slept.append)
            assert not any(sources.wait(1000.0) for _ in range(3))
            assert slept == [0.1] * 3, "it does not spin"
            assert "Cannot allocate memory" in str(sources.problems[0])
        assert not sources.wait(0)
        assert sources.problems == ()
    finally:
        sources.close()


def test_the_source_of_a_namespace_that_fails_is_reopened_after_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmiostat.watching.event_sources.links_in", lambda namespace: Broken())
    sources = EventSources(Roots(run=tmp_path), None)
    domains = [Domain("web1", interfaces=(Interface("vnet0", counter_source=NetDevice("vnet0", "/proc/self/ns/net")),))]
    try:
        for _ in range(3):
            sources.follow(domains)
            assert not [problem for problem in sources.problems if "Input/output" in str(problem)]
            assert sources.wait(10)
            assert [problem for problem in sources.problems if "Input/output" in str(problem)]
    finally:
        sources.close()


def test_a_missing_namespace_is_a_problem_while_a_domain_is_in_it(tmp_path: Path) -> None:
    sources = EventSources(Roots(run=tmp_path), None)
    try:
        nic = Interface("vnet0", counter_source=NetDevice("vnet0", "/run/netns/none"))
        sources.follow([Domain("web1", interfaces=(nic,))])
        (problem,) = sources.problems
        assert "/run/netns/none" in str(problem)
        sources.follow([])
        assert sources.problems == ()
    finally:
        sources.close()
