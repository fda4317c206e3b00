"""Event sources that fail: the others go on, and the problem is reported until it is over."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.until import until
from tests.faults.no_descriptor_left import no_descriptor_left
from vmiostat import Domain, Interface, Roots
from vmiostat._core import LinkEvents
from vmiostat.counter_sources import NetDevice
from vmiostat.watching import event_sources
from vmiostat.watching.event_sources import EventSources


class Broken:
    """An event source whose descriptor is always readable, but cannot be read."""

    error: BaseException = OSError(5, "Input/output error")

    def __init__(self) -> None:
        self._descriptor = os.eventfd(1)

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> bool:
        raise self.error

    def close(self) -> None:
        os.close(self._descriptor)


class Panic(BaseException):
    """As a panic of the core."""


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Panic("Input/output error")])
def test_a_source_that_fails_is_a_problem_and_affects_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Broken, "error", error)
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
    refused = True

    def unless_refused(opener: Callable[..., object]) -> Callable[..., object]:
        def opened(*arguments: object) -> object:
            if refused:
                raise OSError(24, "Too many open files")
            return opener(*arguments)

        return opened

    (tmp_path / "libvirt/qemu").mkdir(parents=True)
    for opener in ("_folder_events", "_link_events"):
        monkeypatch.setattr(event_sources, opener, unless_refused(getattr(event_sources, opener)))
    sources = EventSources(Roots(run=tmp_path), None)
    refused = False
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


def test_a_machine_with_more_folders_than_the_user_may_watch(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", AT_THE_LIMIT, str(tmp_path)]
    if subprocess.run([*command[:3], "true"], check=False).returncode != 0:
        pytest.skip("this machine has no user namespaces")
    subprocess.run(command, check=True, timeout=60)


AT_THE_LIMIT = """
import sys
from pathlib import Path
from vmiostat import Roots
from vmiostat.watching.event_sources import EventSources

# The limit of a user namespace, which affects no other process.
limit, folder = Path("/proc/sys/user/max_inotify_watches"), Path(sys.argv[1])
limit.write_text("0")
sources = EventSources(Roots(folder), folder)
(problem,) = sources.problems
assert "No space left" in str(problem)
limit.write_text("100")
sources.renew()
assert sources.problems == ()
(folder / "web1.xml").write_text("")
assert sources.wait(10)
sources.close()
"""


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
    def broken_in_a_namespace(namespace: int | None = None) -> Broken | LinkEvents:
        return Broken() if namespace is not None else LinkEvents()

    monkeypatch.setattr(event_sources, "_link_events", broken_in_a_namespace)
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


class Endless(Broken):
    """An event source with an event at any time."""

    drained = 0

    def drain(self) -> bool:
        Endless.drained += 1
        return True


def test_a_namespace_with_events_without_end_is_listened_to_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless_in_a_namespace(namespace: int | None = None) -> Endless | LinkEvents:
        return Endless() if namespace is not None else LinkEvents()

    monkeypatch.setattr(event_sources, "_link_events", endless_in_a_namespace)
    monkeypatch.setattr(event_sources, "_REST", 0.5)
    (tmp_path / "libvirt/qemu").mkdir(parents=True)
    sources = EventSources(Roots(run=tmp_path), None)
    try:
        place = NetDevice("vnet0", "/proc/self/ns/net")
        sources.follow([Domain("web1", interfaces=(Interface("vnet0", counter_source=place),))])
        begun, before = time.monotonic(), Endless.drained
        until(lambda: sources.wait(1) and Endless.drained >= before + 3, 60.0, 0.0)
        assert time.monotonic() > begun + 2 * 0.5
        (tmp_path / "libvirt/qemu/web1.xml").write_text("")
        assert sources.wait(10), "other events are not held up"
        assert Endless.drained - before <= 1 + (time.monotonic() - begun) / 0.5
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
