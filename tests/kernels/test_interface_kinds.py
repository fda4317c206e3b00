"""All routes to the counters of an interface agree, for every kind of device that this kernel has."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from tests.kernels.test_machine import LINKS, run, under0
from vmiostat import INTERFACE_FIELDS, NetDevice, Poller, Roots
from vmiostat.counter_sources import InterfaceSource

FIELDS = [field.name for field in INTERFACE_FIELDS if field.kind != "row"]
SENT = 7


@contextmanager
def made(kind: str) -> Iterator[NetDevice]:
    """An interface that has sent something, if its kind can, and that is quiet now."""
    with under0():
        if kind == "tap":
            run("ip", "tuntap", "add", "made0", "mode", "tap")
        else:
            run("ip", "link", "add", "made0", *LINKS[kind])
        try:
            for name in ("made0", "peer0") if kind == "veth" else ("made0",):
                Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
                run("ip", "link", "set", name, "up")
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                sender.bind(("made0", 0x88B5))
                for _ in range(SENT):
                    sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(100))
            run("ip", "link", "set", "made0", "down")
            yield NetDevice("made0")
        finally:
            run("ip", "link", "del", "made0")


@contextmanager
def in_a_namespace() -> Iterator[NetDevice]:
    run("ip", "netns", "add", "kinds")
    try:
        run("ip", "-n", "kinds", "link", "set", "lo", "up")
        run("ip", "netns", "exec", "kinds", "sh", "-c", "ping -c 2 127.0.0.1 || true")
        yield NetDevice("lo", "/run/netns/kinds")
    finally:
        run("ip", "netns", "del", "kinds")


@pytest.mark.parametrize("kind", [*LINKS, "namespace"])
def test_all_sources_agree(kind: str) -> None:
    found = {}
    with in_a_namespace() if kind == "namespace" else made(kind) as device:
        for source in get_args(InterfaceSource):
            with Poller(Roots(), [], [("vm", "nic", device, False)], interface_source=source) as poller:
                row = poller.poll().interface[0]
                assert row.state == "ok", source
                found[source] = {name: getattr(row, name) for name in FIELDS}
    assert set(found) == {"auto", "proc", "sysfs", "netlink"}
    first = found["proc"]
    for source, counters in found.items():
        common = {name for name in FIELDS if counters[name] >= 0 and first[name] >= 0}
        assert {"rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_drop", "tx_drop"} <= common
        assert {name: counters[name] for name in common} == {name: first[name] for name in common}, source
    if kind in {"dummy", "veth"}:
        assert first["tx_packets"] + first["tx_drop"] >= SENT
