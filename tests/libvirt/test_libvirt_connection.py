"""Domains from a connection to libvirt, whatever becomes of the daemon. tests/kvm does the same with a real one."""

import gc
import select
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.command import vmiostat
from tests.forks import in_a_fork
from tests.libvirt.fake_libvirt import NO_DOMAIN, Daemon, Libvirt, LibvirtError, uuid
from tests.libvirt_tree import LibvirtTree
from tests.until import until
from vmiostat import Host, Roots
from vmiostat.discovery.found import Found
from vmiostat.discovery.libvirt_connection import LibvirtConnection
from vmiostat.discovery.libvirt_events import Listener

URI = "qemu:///system"


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> Libvirt:
    fake = Libvirt()
    monkeypatch.setitem(sys.modules, "libvirt", fake)
    return fake


@pytest.fixture
def daemon(libvirt: Libvirt) -> Daemon:
    libvirt.daemon.start(1, "web1", "vnet0")
    libvirt.daemon.start(2, "db1", "vnet1 vnet2")
    return libvirt.daemon


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("kvm1\n")
    return Roots(tmp_path)


def names(found: Found) -> list[str]:
    return [domain.name for domain in found.domains]


def problems(found: Found) -> list[str]:
    return [str(problem) for problem in found.problems]


def told(listener: Listener, seconds: float = 10.0) -> bool:
    """Whether it says in that time that there is something to look at."""
    readable, _, _ = select.select([listener], [], [], seconds)
    return bool(readable) and listener.drain()


def test_running_domains(daemon: Daemon, roots: Roots) -> None:
    found = LibvirtConnection(URI).domains(roots)
    assert problems(found) == []
    assert [(domain.id, domain.name, domain.uuid, domain.interfaces) for domain in found.domains] == [
        (1, "web1", uuid(1), ["vnet0"]),
        (2, "db1", uuid(2), ["vnet1", "vnet2"]),
    ]
    assert {(domain.provider, domain.type) for domain in found.domains} == {("libvirt", "kvm")}


def test_each_look_sees_what_changed_without_an_event(daemon: Daemon, roots: Roots) -> None:
    """As an external snapshot does: somebody who looks for himself gets what there is."""
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    daemon.start(1, "web1", "vnet0 vnet9")
    del daemon.domains[2]
    assert [domain.interfaces for domain in connection.domains(roots).domains] == [["vnet0", "vnet9"]]


def test_a_domain_that_does_not_answer_costs_itself_alone_and_one_deadline(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.add(uuid(1))
    connection = LibvirtConnection(URI, deadline=0.3)
    start = time.monotonic()
    found = connection.domains(roots)
    assert 0.3 <= time.monotonic() - start < 3
    assert names(found) == ["db1"]
    assert problems(found) == [
        f"{URI}/web1: libvirt has not told its XML for 0 s; the domain is left out until it does"
    ]
    start = time.monotonic()
    assert names(connection.domains(roots)) == ["db1"]
    assert time.monotonic() - start < 0.2, "it was waited for again"
    assert daemon.asked[uuid(1)] == 1, "it was asked again while the first question is out"


def test_what_was_known_stands_while_there_is_no_answer(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, deadline=0.2)
    connection.domains(roots)
    daemon.stuck.add(uuid(2))
    found = connection.domains(roots)
    assert names(found) == ["web1", "db1"]
    assert problems(found) == [f"{URI}/db1: libvirt has not told its XML for 0 s; what it told 0 s ago stands"]
    time.sleep(1)
    (problem,) = problems(connection.domains(roots))
    assert "for 1 s" in problem


def test_an_answer_that_comes_late_is_heard_of_and_used(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.add(uuid(1))
    connection = LibvirtConnection(URI, deadline=0.2)
    listener = connection.changes()
    connection.domains(roots)
    assert not told(listener, 0)
    daemon.answer(uuid(1))
    assert told(listener)
    found = connection.domains(roots)
    assert (names(found), problems(found)) == (["web1", "db1"], [])
    assert daemon.asked[uuid(1)] == 1


def test_no_more_than_four_questions_are_out(daemon: Daemon, roots: Roots) -> None:
    for number in range(1, 11):
        daemon.start(number, f"vm{number}")
        daemon.stuck.add(uuid(number))
    before = threading.active_count()
    connection = LibvirtConnection(URI, deadline=0.2)
    for _ in range(5):
        connection.domains(roots)
    found = connection.domains(roots)
    assert sum(daemon.asked[uuid(number)] for number in range(1, 11)) == 4
    assert threading.active_count() - before <= 4 + 1  # and the event loop
    # By then no thread is left to ask which domains there are.
    assert len(problems(found)) == 1
    assert "has not answered other calls" in problems(found)[0]
    daemon.answer(*daemon.stuck)
    until(lambda: len(connection.domains(roots).domains) == 10)
    assert problems(connection.domains(roots)) == []


@pytest.mark.parametrize(("what", "consequence"), [("open", "not open"), ("list", "which domains run is not known")])
def test_a_daemon_that_does_not_answer_at_all(daemon: Daemon, roots: Roots, what: str, consequence: str) -> None:
    daemon.stuck.add(what)
    connection = LibvirtConnection(URI, deadline=0.2)
    for _ in range(3):
        found = connection.domains(roots)
        assert names(found) == []
        assert consequence in problems(found)[0]
        assert problems(found)[0].startswith(f"{URI}: libvirt has not answered for ")
    assert daemon.asked[what] == 1
    daemon.answer(what)
    until(lambda: names(connection.domains(roots)) == ["web1", "db1"])


def test_an_event_brings_only_what_it_names(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.start(2, "db1", "vnet1 vnet2 vnet7")
    daemon.tell("VIR_DOMAIN_EVENT_ID_DEVICE_ADDED", 2)
    assert told(listener)
    assert [domain.interfaces for domain in connection.domains(roots).domains] == [
        ["vnet0"],
        ["vnet1", "vnet2", "vnet7"],
    ]
    assert (daemon.asked[uuid(1)], daemon.asked[uuid(2)]) == (1, 2)
    assert not told(listener, 0)


def test_a_domain_that_starts_is_asked_for_whatever_the_event_names(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.start(3, "new1")
    daemon.tell("VIR_DOMAIN_EVENT_ID_TRAY_CHANGE", 2)
    assert told(listener)
    assert names(connection.domains(roots)) == ["web1", "db1", "new1"]


def test_two_listeners_hear_the_same(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listeners = [connection.changes(), connection.changes()]
    connection.domains(roots)
    daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert [told(listener) for listener in listeners] == [True, True]
    listeners[0].close()
    daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert told(listeners[1])


def test_a_daemon_that_was_restarted_is_asked_again(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.die()
    assert told(listener), "nobody heard that the connection was closed"
    found = connection.domains(roots)
    assert names(found) == ["web1", "db1"], "what was known does not stand"
    assert "Connection refused; is libvirtd (or virtqemud) running" in problems(found)[0]
    assert problems(found)[0].endswith("2 domains stand as they were 0 s ago")
    daemon.start(2, "db1", "vnet1")  # nobody told of it
    daemon.refusal = None
    # No one else looks: the listener says when the next attempt is due.
    for _ in range(20):
        assert told(listener)
        found = connection.domains(roots)
        if not found.problems:
            break
    assert [domain.interfaces for domain in found.domains] == [["vnet0"], ["vnet1"]]
    daemon.tell("VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED", 2)
    assert told(listener), "events were not asked for again"


def test_a_connection_that_was_closed_while_nobody_looked(daemon: Daemon, roots: Roots) -> None:
    """Also where no event loop tells of it: the first look afterwards already connects again."""
    connection = LibvirtConnection(URI, events=False)
    connection.domains(roots)
    daemon.die()
    daemon.refusal = None
    found = connection.domains(roots)
    assert (names(found), problems(found)) == (["web1", "db1"], [])


def test_attempts_to_connect_grow_rare(daemon: Daemon, roots: Roots) -> None:
    daemon.refusal = LibvirtError("no", 1)
    connection = LibvirtConnection(URI)
    start = time.monotonic()
    while time.monotonic() - start < 1:
        assert "no" in problems(connection.domains(roots))[0]
        time.sleep(0.005)
    # At 0, 0.1, 0.3 and 0.7 s.
    assert 3 <= daemon.asked["open"] <= 4


def test_a_daemon_that_closes_each_connection_at_once(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, deadline=0.5)
    daemon.stuck.add("list")
    start = time.monotonic()
    while time.monotonic() - start < 1:
        timer = threading.Timer(0.02, daemon.die)
        timer.start()
        assert problems(connection.domains(roots))
        timer.join()
        daemon.refusal = None
    assert daemon.asked["open"] <= 5


def test_a_question_without_an_answer_ends_with_its_connection(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.update([uuid(1), uuid(2)])
    connection = LibvirtConnection(URI, deadline=0.2)
    connection.domains(roots)
    daemon.stuck.clear()
    daemon.die()
    daemon.refusal = None
    until(lambda: names(connection.domains(roots)) == ["web1", "db1"])


def test_a_domain_that_ends_between_the_list_and_its_xml(daemon: Daemon, roots: Roots) -> None:
    daemon.errors[uuid(1)] = LibvirtError("Domain not found: no domain with matching uuid", NO_DOMAIN)
    daemon.domains[2] = daemon.domains[2].replace(" id='2'", "")  # its stored definition
    found = LibvirtConnection(URI).domains(roots)
    assert (names(found), problems(found)) == ([], [])


def test_an_error_and_bad_xml_cost_their_own_domain(daemon: Daemon, roots: Roots) -> None:
    daemon.start(3, "bad1")
    daemon.domains[3] = daemon.domains[3].replace("</domain>", "")
    daemon.errors[uuid(2)] = LibvirtError("Timed out during operation: cannot acquire\nstate change lock", 68)
    connection = LibvirtConnection(URI)
    found = connection.domains(roots)
    assert names(found) == ["web1"]
    bad1, db1 = sorted(problems(found))
    assert db1.startswith(f"{URI}/db1: Timed out during operation: cannot acquire state change")
    assert bad1.startswith(f"{URI}/bad1:1: this is not well-formed XML")
    del daemon.errors[uuid(2)]
    assert names(connection.domains(roots)) == ["web1", "db1"]


@pytest.mark.parametrize(
    ("error", "help_"),
    [
        (LibvirtError("Failed to connect socket to '/x': No such file or directory", 38), "is libvirtd"),
        (LibvirtError("Failed to connect socket to '/x': Permission denied", 38), "the group libvirt"),
        (LibvirtError("authentication unavailable: no polkit agent available", 94), "polkit must allow"),
        (LibvirtError("no connection driver available for foo:///", 5), "is it spelled right"),
    ],
)
def test_what_helps_against_an_error(daemon: Daemon, roots: Roots, error: LibvirtError, help_: str) -> None:
    daemon.refusal = error
    (problem,) = problems(LibvirtConnection(URI).domains(roots))
    assert problem.startswith(f"{URI}: cannot connect: {error}; ")
    assert help_ in problem
    assert "\n" not in problem


def test_without_the_module(monkeypatch: pytest.MonkeyPatch, roots: Roots) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    (problem,) = problems(LibvirtConnection(URI).domains(roots))
    assert problem.startswith(f"{URI}: the Python module libvirt is not installed: pip install 'vmiostat[libvirt]'")


def test_a_module_without_its_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, roots: Roots) -> None:
    (tmp_path / "libvirt.py").write_text("raise ImportError('libvirt.so.0: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "libvirt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = problems(LibvirtConnection(URI).domains(roots))
    assert problem == f"{URI}: the Python module libvirt cannot be loaded: libvirt.so.0: cannot open shared object file"


def test_who_handles_libvirt_s_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, roots: Roots) -> None:
    """Nobody but us uses libvirt: they are not printed. Somebody does: it is his handler that stays."""
    (tmp_path / "libvirt.py").write_text(
        "import sys\nfrom tests.libvirt.fake_libvirt import Libvirt\nsys.modules[__name__] = Libvirt()\n"
    )
    monkeypatch.delitem(sys.modules, "libvirt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    LibvirtConnection(URI).domains(roots)
    loaded: object = sys.modules.pop("libvirt")
    assert isinstance(loaded, Libvirt)
    assert loaded.error_handler is not None
    others = Libvirt()
    monkeypatch.setitem(sys.modules, "libvirt", others)
    LibvirtConnection(URI).domains(roots)
    assert others.error_handler is None


def test_an_event_loop_of_the_program_s_own_is_used(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    libvirt.virEventRegisterDefaultImpl()
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    assert libvirt.registered == 1
    assert daemon.connections[0].keepalive is None, "nobody may read the answers"
    daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert not told(listener, 0.05), "a loop runs that is not ours"
    libvirt.virEventRunDefaultImpl()
    assert told(listener, 0)


def test_events_are_asked_for_when_somebody_listens(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    assert (libvirt.registered, len(daemon.connections[0].callbacks)) == (0, 0)
    listener = connection.changes()
    assert connection.domains(roots).problems == ()
    daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert told(listener)
    until(lambda: len(daemon.connections) == 1)  # the one without events was closed
    connection.domains(roots)
    assert daemon.asked["open"] == 2


def test_without_events_there_is_no_event_loop(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, events=False)
    listener = connection.changes()
    assert names(connection.domains(roots)) == ["web1", "db1"]
    assert not told(listener, 0)
    assert libvirt.registered == 0
    assert daemon.connections[0].callbacks == {}


def test_many_connections_share_one_event_loop(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connections = [LibvirtConnection(URI) for _ in range(3)]
    listeners = [connection.changes() for connection in connections]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda connection: connection.domains(roots), connections))
    assert libvirt.registered == 1
    daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert all(told(listener) for listener in listeners)
    assert [connection.keepalive for connection in daemon.connections] == [(5, 3)] * 3


@pytest.mark.parametrize("by", ["close", "garbage"])
def test_closing_takes_everything_back(libvirt: Libvirt, daemon: Daemon, roots: Roots, by: str) -> None:
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    (opened,) = daemon.connections
    if by == "close":
        connection.close()
        connection.close()
        assert "was closed" in problems(connection.domains(roots))[0]
    else:
        del connection
        gc.collect()
    until(lambda: opened.closed)
    until(lambda: not opened.callbacks and not libvirt.kept)


def test_closing_waits_for_nobody(daemon: Daemon, roots: Roots) -> None:
    daemon.stuck.update(["close", uuid(1)])
    connection = LibvirtConnection(URI, deadline=0.1)
    connection.domains(roots)
    start = time.monotonic()
    connection.close()
    del connection
    gc.collect()
    assert time.monotonic() - start < 0.5
    daemon.answer("close", uuid(1))


@pytest.mark.parametrize("name", ["kvm1", "KVM1.example.org"])
def test_a_server_in_the_uri_that_is_this_machine(daemon: Daemon, roots: Roots, name: str) -> None:
    daemon.hostname = name
    assert names(LibvirtConnection("qemu+tls://kvm1.example.org/system").domains(roots)) == ["web1", "db1"]


def test_another_machine_s_domains_are_refused(daemon: Daemon, roots: Roots) -> None:
    """Its vnet0 would be read here, where vnet0 is another's."""
    daemon.hostname = "kvm2.example.org"
    found = LibvirtConnection("qemu+ssh://kvm2/system").domains(roots)
    assert names(found) == []
    assert problems(found) == [
        "qemu+ssh://kvm2/system: its domains run on 'kvm2.example.org', and their counters would be read here, on "
        "'kvm1': run vmiostat there"
    ]
    until(lambda: not daemon.connections)


def run(root: Path, pid: int, command: str) -> None:
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(f"{pid} (qemu) S {' '.join('0' * 18)} 77 {' '.join('0' * 30)}\n")
    (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())


@pytest.mark.parametrize(("command", "its"), [(f"qemu -uuid {uuid(1)}", True), (f"qemu -uuid {uuid(7)}", False)])
def test_the_process_by_libvirt_s_pid_file(
    daemon: Daemon, roots: Roots, tmp_path: Path, command: str, its: bool
) -> None:
    """Not that of another domain of this name, which somebody's session has."""
    run(tmp_path, 4711, command)
    (tmp_path / "run/libvirt/qemu").mkdir(parents=True)
    (tmp_path / "run/libvirt/qemu/web1.pid").write_text("4711")
    web1, db1 = LibvirtConnection(URI).domains(roots).domains
    assert (web1.process is not None and (web1.process.pid, web1.process.started) == (4711, 77)) is its
    assert db1.process is None


def test_a_container_s_id_is_its_controller_s_pid(daemon: Daemon, roots: Roots, tmp_path: Path) -> None:
    run(tmp_path, 4711, "/usr/lib/libvirt/libvirt_lxc --name box1")
    daemon.start(4711, "box1", "veth0", kind="lxc")
    box = LibvirtConnection("lxc:///system").domains(roots).domains[-1]
    assert box.process is not None
    assert box.process.pid == 4711


def test_a_domain_whose_process_ended_while_the_daemon_was_down(daemon: Daemon, roots: Roots, tmp_path: Path) -> None:
    run(tmp_path, 4711, f"qemu -uuid {uuid(1)}")
    (tmp_path / "run/libvirt/qemu").mkdir(parents=True)
    (tmp_path / "run/libvirt/qemu/web1.pid").write_text("4711\n")
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    daemon.die()
    assert names(connection.domains(roots)) == ["web1", "db1"]
    (tmp_path / "proc/4711/stat").unlink()
    assert names(connection.domains(roots)) == ["db1"]


def test_a_host_asks_libvirt_before_its_files_and_while_it_answers(daemon: Daemon, tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10, "vnet1": 20, "vnet2": 30})
    tree.start("other1", number=9)
    host = Host(tree.root, libvirt=URI)
    assert [(domain.name, domain.provider) for domain in host.domains()] == [
        ("web1", "libvirt"),
        ("db1", "libvirt"),
        ("other1", "libvirt-status"),
    ]
    assert host.domain("web1").interface_stats("vnet0").rx_bytes == 10
    daemon.die()
    assert [domain.name for domain in host.domains()] == ["other1", "web1", "db1"]
    assert "cannot connect" in str(host.problems[0])


def test_a_host_is_told_where_its_domains_are_from_once(daemon: Daemon) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        Host(xml="/x.xml", libvirt=URI)


def test_a_watch_sees_what_libvirt_tells(daemon: Daemon, tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    with Host(tree.root, libvirt=URI).watch(1000) as watch:
        assert watch.wait(timeout=10)
        seen = watch.changes
        daemon.start(3, "new1")
        daemon.tell("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 3)
        assert watch.wait(seen, 10)
        assert [domain.name for domain in watch.domains] == ["web1", "db1", "new1"]


def test_a_bad_deadline() -> None:
    with pytest.raises(ValueError, match="deadline"):
        LibvirtConnection(URI, deadline=0)


def test_the_command_asks_libvirt() -> None:
    assert "not allowed with" in vmiostat("-c", URI, "--xml", "x.xml", status=2)


def test_in_a_fork_the_connection_is_over_and_stays_open_for_the_first_process(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    assert len(connection.domains(roots).domains) == 2

    def fork() -> None:
        assert "was closed" in str(connection.domains(roots).problems[0])
        connection.close()

    in_a_fork(fork)
    assert len(connection.domains(roots).domains) == 2
    connection.close()
