"""Queries to xenstore: long lists, and a daemon that is stopped, slow or hostile."""

import errno
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.fakes.xenstored import DIRECTORY_PART, ERROR, EVENT, READ, FakeXenstored, message, running
from vmiostat import Roots, SourceError
from vmiostat.discovery.xen.xenstore_message import Messages
from vmiostat.discovery.xen.xenstore_queries import Queries
from vmiostat.discovery.xen.xenstore_socket import daemon_socket, xenstore_socket

NAMES = [str(number) for number in range(2000)]
STORE = {f"/many/{name}": f"value {name}" for name in NAMES} | {"/few/a": "1", "/few/b": "", "/few/empty": "x"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeXenstored]:
    with running(tmp_path, dict(STORE)) as daemon:
        yield daemon


def queries_to(root: Path, silence: float = 1.0, duration: float = 10.0) -> Queries:
    xenstore = daemon_socket(Roots(root))
    assert xenstore is not None
    return Queries(xenstore, silence, duration)


def test_values_in_the_order_of_the_queries(daemon: FakeXenstored, tmp_path: Path) -> None:
    with queries_to(tmp_path) as queries:
        assert queries.values(["/few/b", "/none", "/few/a"]) == ["", None, "1"]
        assert queries.values(f"/many/{name}" for name in NAMES) == [f"value {name}" for name in NAMES]
        assert queries.values([]) == []


def test_lists_that_do_not_fit_in_a_message(daemon: FakeXenstored, tmp_path: Path) -> None:
    with queries_to(tmp_path) as queries:
        assert queries.names(["/few", "/many", "/none", "/few/empty"]) == [["a", "b", "empty"], NAMES, [], []]
        assert queries.too_long == []
    daemon.has_parts = False
    with queries_to(tmp_path) as queries:
        assert queries.names(["/many", "/few"]) == [[], ["a", "b", "empty"]]
        assert queries.too_long == ["/many"]
    daemon.long_messages = True
    with queries_to(tmp_path) as queries:
        assert queries.names(["/many"]) == [NAMES]


def test_a_list_that_changes_while_it_is_sent_is_read_again(daemon: FakeXenstored, tmp_path: Path) -> None:
    parts = 0

    def instead(kind: int, request: int, payload: bytes) -> Iterable[bytes]:
        nonlocal parts
        if kind == DIRECTORY_PART:
            parts += 1
            if parts == 2:
                daemon.store["/many/later"] = ""
                daemon.generation += 1
        return daemon.answers(None, kind, request, payload)

    daemon.instead = instead
    with queries_to(tmp_path) as queries:
        assert queries.names(["/many"]) == [[*NAMES, "later"]]


def test_paths_that_may_not_be_read(daemon: FakeXenstored, tmp_path: Path) -> None:
    daemon.closed = {"/few", "/few/a"}
    with queries_to(tmp_path) as queries:
        assert (queries.may_read("/few"), queries.may_read("/many/1"), queries.may_read("/none")) == (
            False,
            True,
            True,
        )
        assert queries.names(["/few"]) == [[]]
        assert queries.values(["/few/a", "/few/b"]) == [None, ""]


def test_a_stopped_daemon_is_given_up_after_a_second(daemon: FakeXenstored, tmp_path: Path) -> None:
    daemon.stopped = True
    began = time.monotonic()
    with queries_to(tmp_path) as queries, pytest.raises(SourceError, match="not answered in 1 s") as raised:
        queries.values(["/few/a"])
    assert 0.9 < time.monotonic() - began < 10
    assert (raised.value.errno, raised.value.filename) == (errno.ETIMEDOUT, str(tmp_path / "run/xenstored/socket"))


def test_a_daemon_that_accepts_no_connections(tmp_path: Path) -> None:
    (tmp_path / "run/xenstored").mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "run/xenstored/socket"))
    server.listen(0)
    waiting = daemon_socket(Roots(tmp_path))
    assert waiting is not None
    with server, pytest.raises(SourceError, match="does not accept connections"):
        daemon_socket(Roots(tmp_path))
    waiting.close()
    with pytest.raises(SourceError, match="Connection refused"):  # the socket of one that has ended
        daemon_socket(Roots(tmp_path))


def test_a_list_that_never_ends(daemon: FakeXenstored, tmp_path: Path) -> None:
    def instead(kind: int, request: int, payload: bytes) -> Iterable[bytes]:
        daemon.generation += 1
        time.sleep(0.02)
        return daemon.answers(None, kind, request, payload)

    daemon.instead = instead
    with (
        queries_to(tmp_path, duration=0.5) as queries,
        pytest.raises(SourceError, match=r"not sent everything in 0\.5 s"),
    ):
        queries.names(["/many"])


HOSTILE = {
    "too long": ([b"\xff" * 4096], errno.EPROTO),
    "without a query": ([message(READ, 77, b"x")], errno.EPROTO),
    "answered before": ([message(READ, 0, b"x"), message(READ, 0, b"y"), message(READ, 1 << 31, b"")], errno.EPROTO),
    "errors that are none": ([message(ERROR, 0, b"list\0"), message(ERROR, 1, b"\xff\xfe")], None),
    "events alone": ([message(EVENT, 0, b""), message(99, 0, b"?"), message(EVENT, 0, b"\0" * 4096)], errno.ETIMEDOUT),
    "a list without an end": ([message(ERROR, 0, b"E2BIG\0"), message(ERROR, 1, b"E2BIG\0")], None),
    "a half": ([message(READ, 0, b"whole")[:-2]], errno.ETIMEDOUT),
}
"""What a hostile daemon might send instead of its first answer, and the errno that results."""


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_daemon(daemon: FakeXenstored, tmp_path: Path, what: str) -> None:
    said, expected = HOSTILE[what]
    first = True

    def instead(kind: int, request: int, payload: bytes) -> Iterable[bytes]:
        nonlocal first
        if first:
            first = False
            return said
        return [message(DIRECTORY_PART, request, b"1\0" + b"name\0" * 800)] if kind == DIRECTORY_PART else []

    daemon.instead = instead
    with queries_to(tmp_path, 0.3) as queries:
        if expected is None:
            assert queries.names(["/a", "/b"]) == [[], []]
            return
        with pytest.raises(SourceError) as raised:
            queries.names(["/a", "/b"])
    assert raised.value.errno == expected


def test_a_daemon_that_hangs_up(daemon: FakeXenstored, tmp_path: Path) -> None:
    with queries_to(tmp_path) as queries:
        queries.values(["/few/a"])
        daemon.close()
        with pytest.raises(SourceError):
            queries.values(["/few/a"])


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1 << 32 - 1), st.binary(max_size=300))), st.integers(1, 50)
)
def test_messages_are_split_wherever_the_bytes_are(sent: list[tuple[int, int, bytes]], size: int) -> None:
    data = b"".join(message(*one) for one in sent)
    messages = Messages()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert [tuple(one) for piece in pieces for one in messages.split(piece)] == sent


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_an_error(data: bytes) -> None:
    try:
        found = list(Messages().split(data))
    except ValueError:
        return
    assert sum(16 + len(one.payload) for one in found) <= len(data)


def test_no_xenstore(tmp_path: Path) -> None:
    assert xenstore_socket(Roots(tmp_path)) is None


def test_no_descriptor_is_left_open(daemon: FakeXenstored, tmp_path: Path) -> None:
    def mine() -> list[str]:
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]  # noqa: PTH208
        return [link for link in links if os.path.lexists(link) and "xenstored" in os.readlink(link)]  # noqa: PTH115

    before = mine()
    for _ in range(3):
        with queries_to(tmp_path) as queries:
            queries.values(["/few/a"])
    assert mine() == before
