"""Between two polls a device goes and another one comes under its name: no poll takes the one for the other."""

import itertools
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

from testkit.identity.failing_calls import few_descriptors
from testkit.real.devices import Loop, Tap, make_veths, remove_interface
from testkit.real.rtnetlink import RouteSocket
from testkit.until import until
from vmiostat import Poller, Roots, Sample, SourceError
from vmiostat.counter_sources import BlockDevice, InterfaceSource, NetDevice


def watching(
    sysfs: Path, names: list[str], source: InterfaceSource = "proc", *, index: int | None = None, pinned: bool = False
) -> Poller:
    """A poller of interfaces; the first one is known by its number."""
    rows = [("host", name, NetDevice(name, index=None if n else index), True) for n, name in enumerate(names)]
    return Poller(Roots(sys=sysfs), [], rows, interface_source=source, pinned=pinned)


def rename(old: str, new: str) -> None:
    subprocess.run(["ip", "link", "set", old, "down"], check=True)
    subprocess.run(["ip", "link", "set", old, "name", new], check=True)
    subprocess.run(["ip", "link", "set", new, "up"], check=True)


def index_of(name: str) -> int:
    index = Roots().interfaces()[name]
    assert index is not None
    return index


def test_a_tap_that_comes_back_is_another_one_at_once(namespace: Path) -> None:
    with watching(namespace, ["tap0", "tap1"]) as poller, Tap("tap1"):
        with Tap("tap0") as tap:
            tap.guest_sends(3, 60)
            before = poller.poll()
        with Tap("tap0") as tap:
            tap.guest_sends(50, 60)  # by its numbers alone it could be the old one
            after = poller.poll()
    assert after.interface[0].tx_packets == 50
    assert (before.interface[0].generation, after.interface[0].generation) == (0, 1)
    rate = after.rates(before).interface[0]
    assert (rate.state, rate.tx_packets) == ("replaced", None)
    assert after.rates(before).interface[1].state == "ok"


def test_a_veth_that_comes_back_twice(namespace: Path) -> None:
    make_veths([("ve0", "ve1")])
    with watching(namespace, ["ve0"]) as poller:
        assert poller.poll().interface[0].generation == 0
        for _ in range(2):
            remove_interface("ve0")
            make_veths([("ve0", "ve1")])
        assert poller.poll().interface[0].generation == 1
        assert poller.poll().interface[0].generation == 1


@pytest.mark.parametrize("source", ["proc", "netlink", "sysfs"])
def test_two_taps_that_change_names(namespace: Path, source: InterfaceSource) -> None:
    with Tap("tap0") as one, Tap("tap1") as two, watching(namespace, ["tap0", "tap1"], source) as poller:
        one.guest_sends(1, 60)
        two.guest_sends(2, 60)
        before = poller.poll()
        rename("tap0", "other")
        rename("tap1", "tap0")
        rename("other", "tap1")
        after = poller.poll()
        if source == "sysfs":  # the open files are those of the other tap now
            assert [row.state for row in after.interface] == ["gone", "gone"]
            poller.reopen()
            after = poller.poll()
    assert [row.tx_packets for row in before.interface] == [1, 2]
    assert [row.tx_packets for row in after.interface] == [2, 1]
    assert [row.state for row in after.rates(before).interface] == ["replaced", "replaced"]


@pytest.mark.parametrize(("source", "others"), [("proc", 0), ("sysfs", 0), ("netlink", 0), ("auto", 300)])
def test_a_pinned_row_is_one_interface_alone(namespace: Path, source: InterfaceSource, others: int) -> None:
    names = ["tap0", *(f"ve{n}" for n in range(others))]  # so many that auto asks netlink
    make_veths([(name, f"peer-{name}") for name in names[1:]])
    tap = Tap("tap0")
    index = index_of("tap0")
    with watching(namespace, names, source, index=index, pinned=True) as poller:
        tap.guest_sends(5, 60)
        assert poller.poll().interface[0].tx_packets == 5
        tap.close()
        with Tap("tap0"):
            for _ in range(3):
                assert_gone(poller.poll())
                poller.reopen()
            if source != "proc":
                assert poller.explain()[0].source != "/proc/net/dev"
            problem = poller.problem("interface", 0)
            assert isinstance(problem, SourceError)
            assert str(problem).endswith(": another device has taken its place")
            # So is one that had been replaced before it was opened.
            with watching(namespace, names, source, index=index, pinned=True) as late:
                assert_gone(late.poll())
            # Not pinned, the row is whichever interface has the name.
            with watching(namespace, names, source, index=index) as free:
                assert free.poll().interface[0].state == "ok"


@pytest.mark.parametrize("source", ["proc", "sysfs", "netlink"])
def test_a_pinned_row_is_no_later_interface_of_the_same_name_and_number(
    namespace: Path, source: InterfaceSource
) -> None:
    with RouteSocket() as route:
        index = route.make_veth("eth0", "peer", index=500)
        with watching(namespace, ["eth0"], source, index=index, pinned=True) as poller:
            assert poller.poll().interface[0].state == "ok"
            route.remove(index)
            assert route.make_veth("eth0", "peer", index=500) == index
            for _ in range(3):
                assert_gone(poller.poll())
                poller.reopen()


def test_a_pinned_row_elsewhere_is_its_interface_also_without_descriptors(namespace: Path) -> None:
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as container:
        elsewhere = Path(f"/proc/{container.pid}/ns/net")
        until(lambda: elsewhere.readlink() != Path("/proc/self/ns/net").readlink())
        rows = [("host", "lo", NetDevice("lo", str(elsewhere), 500), False)]
        roots, states = Roots(), []
        for left in range(12):
            with few_descriptors(left):
                poller = Poller(roots, [], rows, pinned=True)
            poller.reopen()
            states.append(poller.poll().interface[0].state)
            poller.close()
        container.communicate()
    assert "ok" not in states, states


def assert_gone(sample: Sample) -> None:
    assert (sample.interface[0].state, sample.interface[0].tx_packets) == ("gone", -1)


def disks_of_this_machine(*, but: int) -> list[tuple[str, str, BlockDevice]]:
    """Nearly all of them, for which one pass over /proc/diskstats is the cheapest."""
    lines = [line.split() for line in Path("/proc/diskstats").read_text().splitlines()]
    numbers = [(int(major), int(minor)) for major, minor, *_ in lines]
    return [("host", f"{number}", BlockDevice(*number)) for number in numbers if number != (7, but)]


def diskseq(loop: Loop) -> int:
    return int(Path(f"/sys/block/{loop.name}/diskseq").read_text())


def test_a_disk_that_comes_back_is_another_one_at_once(namespace: Path, tmp_path: Path) -> None:
    loop = Loop(tmp_path / "disk")
    minor, count = loop.minor, diskseq(loop)
    loop.write(2)
    others = disks_of_this_machine(but=minor)
    rows = [("guest", "vda", BlockDevice(7, minor, diskseq=count)), *others]
    with Poller(Roots(), rows, []) as free, Poller(Roots(), rows, [], pinned=True) as pinned:
        assert free.explain()[0].source == pinned.explain()[0].source == "/proc/diskstats"
        before = free.poll()
        assert pinned.poll().block[0].wr_req == before.block[0].wr_req == 2
        loop.close()
        with Loop(tmp_path / "disk", number=minor) as loop:
            loop.write(50)
            after = free.poll()
            gone = pinned.poll()
            problem = pinned.problem("block", 0)
    assert after.block[0].wr_req == 50
    assert (before.block[0].generation, after.block[0].generation) == (0, 1)
    assert after.rates(before).block[0].state == "replaced"
    assert (gone.block[0].state, gone.block[0].wr_req) == ("gone", -1)
    assert str(problem) == "/proc/diskstats: another device has taken its place"


def by_file_or_in_one_pass(number: tuple[int, int], seq: int, *, one_pass: bool) -> list[tuple[str, str, BlockDevice]]:
    """A row, alone or among so many that all are read from /proc/diskstats."""
    others = disks_of_this_machine(but=number[1]) if one_pass else []
    return [("guest", "vda", BlockDevice(*number, diskseq=seq)), *others]


@pytest.mark.parametrize("one_pass", [False, True])
def test_a_disk_with_another_medium_is_another_one(namespace: Path, tmp_path: Path, *, one_pass: bool) -> None:
    with Loop(tmp_path / "disk") as loop:
        rows = by_file_or_in_one_pass((7, loop.minor), diskseq(loop), one_pass=one_pass)
        with Poller(Roots(), rows, []) as free, Poller(Roots(), rows, [], pinned=True) as pinned:
            assert (free.explain()[0].source == "/proc/diskstats") == one_pass
            loop.write(2)
            before = free.poll()
            assert (before.block[0].wr_req, before.block[0].capacity) == (2, 1 << 20)
            loop.detach()
            loop.attach(tmp_path / "other", size=1 << 21)
            loop.write(50)
            after, gone = free.poll(), pinned.poll()
            assert (after.block[0].generation, after.block[0].capacity) == (1, -1)
            assert after.rates(before).block[0].state == "replaced"
            assert (gone.block[0].state, gone.block[0].wr_req) == ("gone", -1)
            free.reopen()
            again = free.poll().block[0]
            assert (again.state, again.generation, again.capacity) == ("ok", 1, 1 << 21)


@pytest.mark.alone  # other disks' partitions share the numbers
@pytest.mark.parametrize("one_pass", [False, True])
def test_a_partition_that_is_added_again_is_another_one(namespace: Path, tmp_path: Path, *, one_pass: bool) -> None:
    with Loop(tmp_path / "disk") as loop:
        subprocess.run(["addpart", loop.path, "1", "8", "64"], check=True)
        major, minor = Path(f"/sys/block/{loop.name}/{loop.name}p1/dev").read_text().split(":")
        number = int(major), int(minor)
        rows = by_file_or_in_one_pass(number, diskseq(loop), one_pass=one_pass)
        with Poller(Roots(), rows, []) as free, Poller(Roots(), rows, [], pinned=True) as pinned:
            before = free.poll()
            assert (before.block[0].generation, pinned.poll().block[0].state) == (0, "ok")
            subprocess.run(["delpart", loop.path, "1"], check=True)
            time.sleep(0.1)  # the kernel frees the number a moment later
            subprocess.run(["addpart", loop.path, "1", "128", "64"], check=True)  # on the same disk
            assert Path(f"/sys/block/{loop.name}/{loop.name}p1/dev").read_text() == f"{major}:{minor}"
            free.poll()
            free.reopen()  # its own file died with the first one
            after = free.poll()
            assert (after.block[0].state, after.block[0].generation) == ("ok", 1)
            assert after.rates(before).block[0].state == "replaced"
            pinned.poll()
            pinned.reopen()
            assert pinned.poll().block[0].state == "gone"


def test_a_pinned_disk_s_own_file(namespace: Path, tmp_path: Path) -> None:
    loop = Loop(tmp_path / "disk")
    device = BlockDevice(7, loop.minor, diskseq=diskseq(loop))
    with Poller(Roots(), [("guest", "vda", device)], [], pinned=True) as poller:
        assert poller.explain()[0].source == f"/sys/dev/block/7:{loop.minor}/stat"
        assert poller.poll().block[0].state == "ok"
        loop.close()
        with Loop(tmp_path / "disk", number=device.minor):
            assert poller.poll().block[0].state == "gone"
            assert poller.reopen() == 0
            assert poller.poll().block[0].state == "gone"
            assert str(poller.problem("block", 0)).endswith(": another device has taken its place")


def test_no_poll_mixes_two_taps_while_they_change_places(namespace: Path) -> None:
    """Each tap has frames of a size of its own, so that a row tells which it was read from."""
    # The kernel counts a frame's bytes and the frame one after the other: where a row was read in between, its bytes
    # are no multiple of its packets, which are fewer than these primes.
    primes = [size for size in range(61, 1400) if all(size % divisor for divisor in range(2, 40))]
    stop, raised = threading.Event(), []
    sizes: dict[int, set[int]] = defaultdict(set)
    generations: list[int] = []
    packets = -1
    with watching(namespace, ["tap0"]) as poller:

        def poll() -> None:
            nonlocal packets
            try:
                for pause in itertools.cycle(range(8)):  # ms: a tap is made, used and removed in a few of them
                    if stop.wait(pause / 1000):
                        return
                    row = poller.poll().interface[0]
                    assert row.state in ("ok", "gone")
                    if row.tx_packets > 0 and row.tx_bytes % row.tx_packets == 0:
                        sizes[row.generation].add(row.tx_bytes // row.tx_packets)
                        assert row.tx_packets >= packets or row.generation != generations[-1]
                        packets = row.tx_packets
                        generations.append(row.generation)
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=poll)
        thread.start()
        # How many taps a poll meets depends on what of a tap's short life the kernel takes to make and to remove it.
        deadline = time.monotonic() + 60
        for count, size in enumerate(itertools.cycle(primes)):
            if raised or (count >= len(primes) and len(sizes) > 20) or time.monotonic() > deadline:
                break
            with Tap("tap0") as tap:
                for _ in range(20):
                    tap.guest_sends(1, size)
        stop.set()
        thread.join()
    if raised:
        raise raised[0]
    assert len(primes) > 190
    assert len(sizes) > 20
    assert all(len(of_one) == 1 for of_one in sizes.values()), sizes
    assert generations == sorted(generations)
