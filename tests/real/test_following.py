"""A following poller on real devices that come and go: seen at once, and never under another one's row."""

import os
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest

from testkit.real.devices import Loop, Tap
from testkit.real.process import descriptors
from testkit.trees.libvirt import LibvirtTree
from testkit.until import until
from testkit.watches import NEVER
from vmiostat import Domain, Host, Poller
from vmiostat.counter_sources import InterfaceSource
from vmiostat.watching import scanner


class Guest:
    """A domain of libvirt's, run by this very process: it holds the taps."""

    def __init__(self, folder: Path, sys: Path) -> None:
        self.tree = LibvirtTree(folder / "machine")
        self.tree.folder.mkdir(parents=True)
        self.host = Host(run=self.tree.root / "run", sys=sys)

    def has(self, *nics: str, disks: tuple[str, ...] = ()) -> None:
        """libvirt writes that these are its devices."""
        self.tree.start("guest", nics, pid=os.getpid(), disks=disks)

    def poller(self, source: InterfaceSource = "auto") -> Poller:
        # This machine may have other guests.
        def select(domain: Domain) -> Domain | None:
            return domain if domain.name == "guest" else None

        return self.host.follow(interval=NEVER, interface_source=source, select=select)


@pytest.fixture
def guest(namespace: Path, tmp_path: Path) -> Guest:
    return Guest(tmp_path, namespace)


def disk(loop: Loop) -> str:
    return f"<disk type='block' device='disk'><source dev='{loop.path}'/><target dev='vda' bus='virtio'/></disk>"


@pytest.mark.parametrize(
    ("source", "rounds"),
    [pytest.param("auto", 200, marks=pytest.mark.slow), ("proc", 20), ("sysfs", 20), ("netlink", 20)],
)
def test_taps_plugged_and_unplugged_under_one_name(
    guest: Guest, source: InterfaceSource, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tap receives one frame of a length of its own: who shows another length shows another tap."""
    monkeypatch.setattr(scanner, "_RESCANS", (0.1,))  # so that what is found was announced
    seen: defaultdict[int, set[int]] = defaultdict(set)
    with Tap("tap0") as kept:
        kept.guest_sends(3, 60)
        guest.has("tap0")
        with guest.poller(source) as poller:
            before = first = poller.poll()
            opened = descriptors()

            def plugged() -> bool:
                """Polls, and looks at everything that the sample says."""
                nonlocal before
                after = poller.poll()
                rates = after.rates(before)
                assert all(rate.tx_bytes is None or rate.tx_bytes >= 0 for rate in rates.interface)
                stays = after.interface["guest", "tap0"]
                assert (stays.state, stays.tx_packets, stays.generation) == ("ok", 3, first.interface[0].generation)
                assert rates.interface["guest", "tap0"].tx_bytes == 0
                before = after
                if "tap1" not in after.interface.devices:
                    return False
                row = after.interface["guest", "tap1"]
                if row.state == "ok":
                    seen[row.generation].add(row.tx_bytes)
                return row.state == "ok"

            for round_ in range(rounds):
                with Tap("tap1") as tap:
                    tap.guest_sends(1, 100 + round_)
                    guest.has("tap0", "tap1")
                    until(plugged)
                    generation = before.interface["guest", "tap1"].generation
                    assert before.interface["guest", "tap1"].tx_bytes == 100 + round_
                    assert generation == max(seen)
                if round_ % 2:  # another one has its name before libvirt has written that it is gone
                    with Tap("tap1") as tap:
                        tap.guest_sends(1, 1000 + round_)
                        until(lambda: plugged() and before.interface["guest", "tap1"].tx_bytes == 1000 + round_)  # noqa: B023
                guest.has("tap0")
                until(lambda: not plugged() and "tap1" not in before.interface.devices)
            until(lambda: descriptors() <= opened)  # a scan in progress has some of its own
    assert all(len(lengths) == 1 for lengths in seen.values())
    assert len(seen) == rounds + rounds // 2


def test_a_tap_that_comes_after_libvirt_wrote_of_it(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "_RESCANS", (0.1,))
    guest.has("tap0")
    with guest.poller() as poller:
        assert poller.poll().interface[0].state == "gone"
        assert "no interface" in poller.domains[0].interfaces[0].reason
        time.sleep(0.7)  # no rescan is due any more
        with Tap("tap0") as tap:
            tap.guest_sends(2, 60)
            until(lambda: poller.poll().interface[0].state == "ok")
            assert poller.poll().interface[0].tx_packets == 2


def test_a_disk_that_comes_back_under_its_number(guest: Guest, tmp_path: Path) -> None:
    first = Loop(tmp_path / "first")
    first.write(100)
    guest.has(disks=(disk(first),))
    with guest.poller() as poller:
        before = poller.poll()
        assert before.block["guest", "vda"].wr_req == 100
        first.close()
        until(lambda: poller.poll().block["guest", "vda"].state != "ok")
        with Loop(tmp_path / "second", number=first.minor) as second:
            second.write(5)
            until(lambda: poller.poll().block["guest", "vda"].state == "ok")
            after = poller.poll()
    assert after.block["guest", "vda"].wr_req == 5
    assert after.block["guest", "vda"].generation > before.block["guest", "vda"].generation
    assert after.rates(before).block["guest", "vda"].wr_req is None


def test_an_interface_that_comes_in_another_namespace(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "_RESCANS", (0.1,))
    container = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    inside = ["nsenter", f"--target={container.pid}", "--net", "ip", "link"]
    try:
        until(lambda: os.stat(f"/proc/{container.pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino)  # noqa: PTH116
        guest.tree.folder = guest.tree.folder.with_name("lxc")
        guest.tree.start("guest", ["ve0"], pid=container.pid)
        with guest.poller() as poller:
            assert poller.domains[0].interfaces[0].reason
            problems = [str(problem) for problem in poller.problems]
            for _ in range(3):
                time.sleep(0.7)
                subprocess.run([*inside, "add", "ve0", "type", "veth", "peer", "name", "ve1"], check=True)
                until(lambda: poller.poll().interface[0].state == "ok")
                assert [str(problem) for problem in poller.problems] == problems
                subprocess.run([*inside, "del", "ve0"], check=True)
                until(lambda: poller.poll().interface[0].state == "gone")
    finally:
        container.kill()
        container.wait()
