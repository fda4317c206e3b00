"""Connecting to QMP sockets: paths of any kind, and only to the expected QEMU."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from testkit.fakes import qemu as fake_qemu
from testkit.fakes.qemu import FakeQemu
from testkit.fakes.queried_qemus import DEADLINE, QueriedQemus, open_files, states
from testkit.trees.processes import ProcessTree
from testkit.until import until
from vmiostat import Roots
from vmiostat._core import LatestStats
from vmiostat.discovery.running_process import running_process
from vmiostat.qemu_stats import qmp_connection
from vmiostat.qemu_stats.qmp_client import QmpClient
from vmiostat.qemu_stats.query_thread import QueryThread
from vmiostat.system.descriptors import open_paths
from vmiostat.system.probe.pool import PROBE


def test_a_socket_that_is_missing(qemus: QueriedQemus) -> None:
    qemus.qemu("a").close()
    poller = qemus.poller()
    assert qemus.query_thread().query(5.0)
    assert "no process listens on the socket" in str(poller.problem("block", 0))
    (qemus.folder / "run/a").unlink()
    assert qemus.query_thread().query(5.0)
    assert "cannot connect: No such file or directory" in str(poller.problem("block", 0))


@pytest.mark.parametrize("length", [90, 107, 255])
def test_a_name_longer_than_a_socket_address(qemus: QueriedQemus, length: int) -> None:
    name = "a" * length
    qemus.qemu("short").path.rename(qemus.folder / "run" / name)
    qemus.use_path("short", name)
    assert qemus.query_thread().query(5.0)
    assert states(qemus.poller()) == ["ok"]


def test_a_symlink_to_a_socket(qemus: QueriedQemus) -> None:
    qemus.qemu("a")
    (qemus.folder / "run/link").symlink_to("/run/a")
    qemus.use_path("a", "link")
    assert qemus.query_thread().query(5.0)
    assert states(qemus.poller()) == ["ok"]


def test_a_folder_that_is_deleted_and_made_again(qemus: QueriedQemus) -> None:
    qemus.qemu("a").close()
    thread, poller = qemus.query_thread(), qemus.poller()
    assert thread.query(5.0)
    shutil.rmtree(qemus.folder / "run")
    (qemus.folder / "run").mkdir()
    with fake_qemu.running(qemus.folder / "run/a"):
        until(lambda: thread.query(5.0) and states(poller) == ["ok"])


class Machine(ProcessTree):
    """A made /proc that has this process's PID, but otherwise its own processes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.link("proc/self", str(os.getpid()))

    def client(self, path: Path, pid: int) -> QmpClient:
        """A client that expects the QEMU with this PID at the socket."""
        roots = Roots(proc=self.root / "proc")
        # This process's own sockets are the QEMU's that has its PID.
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if (to := str(link.readlink())).startswith("socket:"):
                    self.link(f"proc/{os.getpid()}/fd/{link.name}", to)
        return QmpClient(str(path), roots, {LatestStats("QMP"): ("virtio-disk0",)}, running_process(pid, roots))


def problem_of(client: QmpClient) -> str | None:
    thread = QueryThread("on demand", DEADLINE)
    thread.set_clients([client])
    try:
        assert thread.query(5.0)
    finally:
        thread.close()
    return client.latest_stats[0].problem


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_another_process_at_the_socket_is_refused(machine: Machine) -> None:
    machine.process(os.getpid(), ["qemu"])
    machine.process(7, ["qemu"])
    with fake_qemu.running(machine.root / "socket") as qemu:
        assert problem_of(machine.client(qemu.path, os.getpid())) is None
        client = machine.client(qemu.path, 7)
        wrong = "this QEMU (process 7) does not listen on the socket at its path: another process does"
        assert problem_of(client) == wrong
        assert qemu.commands.count("query-blockstats") == 1


@pytest.mark.parametrize("name", ["web1", "db1"])
def test_an_ended_qemu_s_socket_is_not_connected_to(machine: Machine, name: str) -> None:
    """Whatever the process there calls itself: it may be anyone's."""
    machine.process(7, ["qemu", "-name", "web1"])
    machine.process(os.getpid(), ["qemu", "-name", name])
    with fake_qemu.running(machine.root / "socket") as qemu:
        client = machine.client(qemu.path, 7)
        shutil.rmtree(machine.root / "proc/7")
        assert problem_of(client) == "its QEMU (process 7) has ended"
        assert qemu.clients == 0


def test_another_process_of_the_same_pid_is_not_connected_to(machine: Machine) -> None:
    machine.process(os.getpid(), ["qemu"])
    with fake_qemu.running(machine.root / "socket") as qemu:
        client = machine.client(qemu.path, os.getpid())
        assert problem_of(client) is None
        (machine.root / f"proc/{os.getpid()}/stat").write_text(f"{os.getpid()} (qemu) S {'0 ' * 18}5 0 0\n")
        assert "has ended" in str(problem_of(client))
        assert qemu.clients == 1


def test_the_sockets_of_a_namespace_are_listed_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any user may make many of them. A socket that QEMU opened since is found all the same."""
    machine.process(os.getpid(), ["qemu"])
    listed = []

    def once(pid: int, roots: Roots) -> dict[int, str]:
        listed.append(pid)
        return open_paths(pid, roots)

    monkeypatch.setattr(qmp_connection, "open_paths", once)
    path = machine.root / "socket"
    with fake_qemu.running(path):
        client = machine.client(path, os.getpid())
        assert [problem_of(client) for _ in range(3)] == [None] * 3
        assert len(listed) == 1
    path.unlink()
    shutil.rmtree(machine.root / f"proc/{os.getpid()}/fd")
    with fake_qemu.running(path) as qemu:
        machine.client(path, os.getpid())
        until(lambda: problem_of(client) is None)
        assert qemu.commands.count("query-blockstats") == 1


def test_pids_of_another_namespace_are_not_compared(machine: Machine) -> None:
    machine.process(7, ["qemu"])
    (machine.root / "proc/self").unlink()
    machine.link("proc/self", "8")
    with fake_qemu.running(machine.root / "socket") as qemu:
        assert problem_of(machine.client(qemu.path, 7)) is None


def test_the_path_is_resolved_as_qemu_sees_it(machine: Machine) -> None:
    machine.process(os.getpid(), ["qemu"])
    path = machine.root / "run/a"
    inside = machine.root / "container" / path.relative_to("/")
    for made in (path, inside):
        made.parent.mkdir(parents=True)
    machine.link(f"proc/{os.getpid()}/root", str(machine.root / "container"))
    # The link is in the container, and leads to the container's /run.
    (machine.root / "container/link").symlink_to(path.parent)
    with fake_qemu.running(path) as outside:
        assert problem_of(machine.client(path, os.getpid())) is None, "a path missing inside is taken as ours"
        assert outside.clients == 1
        with running_at_a_long_path(inside) as qemu:
            assert problem_of(machine.client(path, os.getpid())) is None
            assert problem_of(machine.client(Path("/link/a"), os.getpid())) is None
            assert (outside.clients, qemu.clients) == (1, 2)


@contextmanager
def running_at_a_long_path(path: Path) -> Iterator[FakeQemu]:
    """A QEMU at a path that may be longer than a socket address."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        with fake_qemu.running(Path(f"/proc/self/fd/{folder}/{path.name}")) as qemu:
            yield qemu
    finally:
        os.close(folder)


class HangingProbe:
    """Its helper processes hang in the folder /hangs until `go_on` is set, and then find it to be /run."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def call(
        self, operation: str, socket: str, *arguments: object, key: object, path: str, user: int | None
    ) -> tuple[Any, Any]:
        if socket.startswith("/hangs/"):
            self.go_on.wait(60)
        return PROBE.call(operation, socket.replace("/hangs/", "/run/"), *arguments, key=key, path=path, user=user)


def hanging(qemus: QueriedQemus, name: str, monkeypatch: pytest.MonkeyPatch) -> HangingProbe:
    """A QEMU whose socket is in the folder that hangs."""
    qemus.qemu(name)
    probe = HangingProbe()
    monkeypatch.setattr(qmp_connection, "PROBE", probe)
    names = {qemus.latest_stats[name]: ("virtio-disk0",)}
    qemus.clients[name] = QmpClient(f"/hangs/{name}", qemus.roots, names)
    return probe


def test_a_folder_that_hangs_affects_its_own_row_only(qemus: QueriedQemus, monkeypatch: pytest.MonkeyPatch) -> None:
    qemus.qemu("good")
    probe = hanging(qemus, "bad", monkeypatch)
    thread, poller = qemus.query_thread(), qemus.poller()
    assert thread.query(5.0)
    assert qemus.latest_stats["bad"].problem == "no answer within 0.3 s"
    for _ in range(50):
        assert thread.query(5.0)
        assert states(poller) == ["ok", "stale"]
        time.sleep(0.01)
    probe.go_on.set()
    until(lambda: states(poller) == ["ok", "ok"])
    thread.close()


def test_an_abandoned_connection_is_closed_once_it_is_made(
    qemus: QueriedQemus, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = hanging(qemus, "bad", monkeypatch)
    before = open_files()
    thread = qemus.query_thread()
    assert thread.query(5.0)
    thread.close()
    probe.go_on.set()
    until(lambda: not any(thread.name == "vmiostat-qmp" for thread in threading.enumerate()))
    until(lambda: not open_files() - before)
