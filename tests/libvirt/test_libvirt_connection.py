"""Domains over a connection to libvirt. tests/kvm has tests with a real one."""

import gc
import sys
import threading
from pathlib import Path

import pytest

from testkit.command import vmiostat
from testkit.fakes.libvirt import NO_DOMAIN, Daemon, Libvirt, LibvirtError, uuid
from testkit.fakes.libvirt_connections import URI, names, problems, run
from testkit.fork import in_a_fork
from testkit.targets import targets
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from vmiostat import Host, Roots
from vmiostat.discovery.libvirt.connection import LibvirtConnection


def test_running_domains(daemon: Daemon, roots: Roots) -> None:
    found = LibvirtConnection(URI).domains(roots)
    assert problems(found) == []
    assert [(domain.id, domain.name, domain.uuid, targets(domain.interfaces)) for domain in found.domains] == [
        (1, "web1", uuid(1), ["vnet0"]),
        (2, "db1", uuid(2), ["vnet1", "vnet2"]),
    ]
    assert {(domain.provider, domain.type) for domain in found.domains} == {("libvirt", "kvm")}


def test_each_scan_sees_changes_without_an_event(daemon: Daemon, roots: Roots) -> None:
    """Such as an external snapshot: a scan that is not due to an event reads everything."""
    connection = LibvirtConnection(URI)
    connection.domains(roots)
    daemon.start(1, "web1", "vnet0 vnet9")
    del daemon.domains[2]
    assert [targets(domain.interfaces) for domain in connection.domains(roots).domains] == [["vnet0", "vnet9"]]


def test_a_domain_that_ends_between_the_list_and_its_xml(daemon: Daemon, roots: Roots) -> None:
    daemon.errors[uuid(1)] = LibvirtError("Domain not found: no domain with matching uuid", NO_DOMAIN)
    daemon.domains[2] = daemon.domains[2].replace(" id='2'", "")  # its stored definition
    found = LibvirtConnection(URI).domains(roots)
    assert (names(found), problems(found)) == ([], [])


def test_an_error_or_bad_xml_affects_only_its_domain(daemon: Daemon, roots: Roots) -> None:
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
        (LibvirtError("Failed to connect socket to '/x': Permission denied", 38), "in the group libvirt"),
        (LibvirtError("authentication unavailable: no polkit agent available", 94), "add a polkit rule"),
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


def test_whether_an_error_handler_is_registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, roots: Roots) -> None:
    """So errors are not printed, and the handler of a program that uses libvirt itself is kept."""
    (tmp_path / "libvirt.py").write_text(
        "import sys\nfrom testkit.fakes.libvirt import Libvirt\nsys.modules[__name__] = Libvirt()\n"
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


@pytest.mark.parametrize("by", ["close", "garbage"])
def test_closing_unregisters_everything(libvirt: Libvirt, daemon: Daemon, roots: Roots, by: str) -> None:
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


@pytest.mark.parametrize("name", ["kvm1", "KVM1.example.org"])
def test_a_server_in_the_uri_that_is_this_machine(daemon: Daemon, roots: Roots, name: str) -> None:
    daemon.hostname = name
    assert names(LibvirtConnection("qemu+tls://kvm1.example.org/system").domains(roots)) == ["web1", "db1"]


def test_another_machine_s_domains_are_refused(daemon: Daemon, roots: Roots) -> None:
    """The vnet0 of this machine may be another domain's."""
    daemon.hostname = "kvm2.example.org"
    found = LibvirtConnection("qemu+ssh://kvm2/system").domains(roots)
    assert names(found) == []
    assert problems(found) == [
        "qemu+ssh://kvm2/system: its domains run on 'kvm2.example.org', but their counters would be read on 'kvm1': "
        "run vmiostat there"
    ]
    until(lambda: not daemon.connections)


@pytest.mark.parametrize(("command", "its"), [(f"qemu -uuid {uuid(1)}", True), (f"qemu -uuid {uuid(7)}", False)])
def test_the_process_by_libvirt_s_pid_file(
    daemon: Daemon, roots: Roots, tmp_path: Path, command: str, its: bool
) -> None:
    """Not that of a domain of the same name in a user's session."""
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


def test_libvirt_takes_precedence_over_its_files_while_it_answers(daemon: Daemon, tmp_path: Path) -> None:
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


def test_a_host_takes_either_xml_or_libvirt(daemon: Daemon) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        Host(xml="/x.xml", libvirt=URI)


def test_a_bad_deadline() -> None:
    with pytest.raises(ValueError, match="deadline"):
        LibvirtConnection(URI, deadline=0)


def test_the_command_takes_either_xml_or_libvirt() -> None:
    assert "not allowed with" in vmiostat("-c", URI, "--xml", "x.xml", status=2)


def test_in_a_fork_the_connection_is_closed_and_stays_open_in_the_parent(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    assert len(connection.domains(roots).domains) == 2

    def fork() -> None:
        assert "was closed" in str(connection.domains(roots).problems[0])
        connection.close()

    in_a_fork(fork)
    assert len(connection.domains(roots).domains) == 2
    connection.close()


def test_a_fork_does_not_wait_for_threads_of_its_parent(daemon: Daemon, roots: Roots) -> None:
    connection = LibvirtConnection(URI)
    listener = connection.changes()
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with connection._changes.lock:
            held.set()
            go_on.wait(30)

    def fork() -> None:
        assert "was closed" in str(connection.domains(roots).problems[0])
        listener.close()
        connection.close()

    daemon.stuck.add("list")
    threads = [threading.Thread(target=connection.domains, args=(roots,)), threading.Thread(target=hold)]
    threads[0].start()
    until(lambda: daemon.calls["list"])
    threads[1].start()
    assert held.wait(10)
    try:
        in_a_fork(fork)
    finally:
        go_on.set()
        daemon.answer("list")
        for thread in threads:
            thread.join()
    assert len(connection.domains(roots).domains) == 2
