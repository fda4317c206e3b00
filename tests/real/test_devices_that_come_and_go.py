"""A row is the device, not its name: one that has gone has no numbers, one that comes back is another one."""

import errno
from contextlib import ExitStack
from pathlib import Path

from testkit.real.devices import Loop, Tap, make_veths, remove_interface
from testkit.real.domain import write_domain
from vmiostat import Host, SourceError


def test_a_tap_that_comes_back_under_its_name(namespace: Path, tmp_path: Path) -> None:
    xml = write_domain(tmp_path, "guest", bridge=["tap0", "tap1"])
    with ExitStack() as stack:
        kept, tap = stack.enter_context(Tap("tap0")), Tap("tap1")
        with Host(xml=xml, sys=namespace).poller() as poller:
            tap.guest_sends(100, 60)
            first = poller.poll()
            tap.close()
            kept.guest_sends(1, 60)
            gone = poller.poll()
            tap = stack.enter_context(Tap("tap1"))
            tap.guest_sends(5, 60)
            poller.reopen()
            back = poller.poll()
            tap.guest_sends(5, 60)
            last = poller.poll()

    at = "guest", "tap1"
    assert (first.interface[at].state, first.interface[at].generation) == ("ok", 0)
    assert gone.interface[at].state == "gone"
    assert set(tuple(gone.interface[at])[:16]) == {-1}
    assert (back.interface[at].state, back.interface[at].generation) == ("ok", 1)
    assert back.interface[at].tx_packets == 5

    for after, before, state in ((gone, first, "gone"), (back, gone, "new"), (back, first, "replaced")):
        rate = after.rates(before).interface[at]
        assert (rate.state, rate.tx_packets) == (state, None)
    rate = last.rates(back).interface[at]
    assert rate.state == "ok"
    assert rate.tx_packets is not None
    assert rate.tx_packets > 0

    other = "guest", "tap0"  # its neighbour was never in doubt
    assert [sample.interface[other].state for sample in (first, gone, back, last)] == ["ok"] * 4
    assert {sample.interface[other].generation for sample in (first, gone, back, last)} == {0}
    assert gone.interface[other].tx_packets == 1


def test_a_tap_that_comes_back_between_two_polls_gives_no_rate(namespace: Path, tmp_path: Path) -> None:
    xml = write_domain(tmp_path, "guest", bridge=["tap0"])
    tap = Tap("tap0")
    with Host(xml=xml, sys=namespace).poller() as poller:
        tap.guest_sends(100, 60)
        before = poller.poll()
        tap.close()
        with Tap("tap0") as tap:
            tap.guest_sends(5, 60)
            rate = poller.poll().rates(before).interface["guest", "tap0"]
    assert rate.state in ("reset", "replaced")
    assert rate.tx_packets is None


def test_a_veth_that_goes_with_its_peer(namespace: Path, tmp_path: Path) -> None:
    xml = write_domain(tmp_path, "container", kind="lxc", bridge=["ve0"])
    make_veths([("ve0", "ve1")])
    with Host(xml=xml, sys=namespace).poller() as poller:
        row = poller.poll().interface[0]
        assert (row.state, row.generation, row.rx_packets) == ("ok", 0, 0)
        assert poller.problem("interface", 0) is None
        remove_interface("ve1")
        assert poller.poll().interface[0].state == "gone"
        problem = poller.problem("interface", 0)
        assert isinstance(problem, SourceError)
        assert (problem.errno, problem.filename) == (errno.ENODEV, "/proc/net/dev")


def test_a_disk_that_comes_back_under_its_number(namespace: Path, tmp_path: Path) -> None:
    kept, disk = Loop(tmp_path / "disk0"), Loop(tmp_path / "disk1")
    with kept:
        xml = write_domain(tmp_path, "guest", disks=[kept, disk])
        with Host(xml=xml, sys=namespace).poller() as poller:
            disk.write(100)
            first = poller.poll()
            disk.close()
            kept.write(1)
            gone = poller.poll()
            with Loop(tmp_path / "disk1", number=disk.minor) as disk:
                disk.write(5)
                poller.reopen()
                back = poller.poll()

    at = "guest", "vdb"
    assert (first.block[at].state, first.block[at].generation, first.block[at].wr_req) == ("ok", 0, 100)
    assert gone.block[at].state == "gone"
    assert set(tuple(gone.block[at])[:17]) == {-1}
    assert (back.block[at].state, back.block[at].generation, back.block[at].wr_req) == ("ok", 1, 5)
    rate = back.rates(first).block[at]
    assert (rate.state, rate.wr_req) == ("replaced", None)
    assert gone.block["guest", "vda"].wr_req == 1
