"""libvirt's events: which listeners they wake, and who runs the event loop."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testkit.fakes.libvirt import Daemon, Libvirt, uuid
from testkit.fakes.libvirt_connections import URI, names, woken
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from vmiostat import Host, Roots
from vmiostat.discovery.libvirt.connection import LibvirtConnection
from vmiostat.discovery.libvirt.events import Changes


def test_after_an_event_only_its_domain_is_read(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.start(2, "db1", "vnet1 vnet2 vnet7")
    daemon.send("VIR_DOMAIN_EVENT_ID_DEVICE_ADDED", 2)
    assert woken(listener)
    assert [targets(domain.interfaces) for domain in connection.domains(roots).domains] == [
        ["vnet0"],
        ["vnet1", "vnet2", "vnet7"],
    ]
    assert (daemon.calls[uuid(1)], daemon.calls[uuid(2)]) == (1, 2)
    assert not woken(listener, 0)


def test_a_new_domain_is_read_whatever_the_event_names(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    daemon.start(3, "new1")
    daemon.send("VIR_DOMAIN_EVENT_ID_TRAY_CHANGE", 2)
    assert woken(listener)
    assert names(connection.domains(roots)) == ["web1", "db1", "new1"]


def test_an_event_wakes_every_listener(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listeners = [connection.changes(), connection.changes()]
    connection.domains(roots)
    daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert [woken(listener) for listener in listeners] == [True, True]
    listeners[0].close()
    daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert woken(listeners[1])


def test_without_a_listener_changes_are_not_kept_and_the_next_scan_reads_everything() -> None:
    changes = Changes()
    for number in range(1000):
        changes.note([uuid(number)])
    assert not changes._new
    listener = changes.listen()
    changes.note([uuid(1)])
    assert woken(listener)
    assert changes.take() is None
    changes.note([uuid(2)])
    assert woken(listener)
    assert changes.take() == {uuid(2)}


def test_an_event_loop_of_the_program_s_own_is_used(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    libvirt.virEventRegisterDefaultImpl()
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    connection.domains(roots)
    assert libvirt.registered == 1
    assert daemon.connections[0].keepalive is None, "the answers might not be read"
    daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert not woken(listener, 0.05), "a second loop runs"
    libvirt.virEventRunDefaultImpl()
    assert woken(listener, 0)


def test_events_are_registered_once_there_is_a_listener(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    assert (libvirt.registered, len(daemon.connections[0].callbacks)) == (0, 0)
    listener = connection.changes()
    assert connection.domains(roots).problems == ()
    daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert woken(listener)
    until(lambda: len(daemon.connections) == 1)  # the one without events was closed
    connection.domains(roots)
    assert daemon.calls["open"] == 2


def test_without_events_there_is_no_event_loop(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI, events=False)
    listener = connection.changes()
    assert names(connection.domains(roots)) == ["web1", "db1"]
    assert not woken(listener, 0)
    assert libvirt.registered == 0
    assert daemon.connections[0].callbacks == {}


def test_many_connections_share_one_event_loop(libvirt: Libvirt, daemon: Daemon, roots: Roots) -> None:
    connections = [LibvirtConnection(URI) for _ in range(3)]
    listeners = [connection.changes() for connection in connections]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda connection: connection.domains(roots), connections))
    assert libvirt.registered == 1
    daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 1)
    assert all(woken(listener) for listener in listeners)
    assert [connection.keepalive for connection in daemon.connections] == [(5, 3)] * 3


def test_a_watch_follows_libvirt_s_events(daemon: Daemon, tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({})
    with Host(tree.root, libvirt=URI).watch(1000) as watch:
        assert watch.wait(timeout=10)
        seen = watch.changes
        daemon.start(3, "new1")
        daemon.send("VIR_DOMAIN_EVENT_ID_LIFECYCLE", 3)
        assert watch.wait(seen, 10)
        assert [domain.name for domain in watch.domains] == ["web1", "db1", "new1"]
