"""The interfaces of a machine: names in the order of /proc/net/dev, and ifindexes on this machine."""

import socket
from pathlib import Path

import pytest

from vmiostat import Roots, SourceError

HEADING = "Inter-|   Receive  |  Transmit\n face |bytes    packets |bytes    packets\n"
NUMBERS = " ".join("0" * 16)


def test_this_machine_has_ifindexes() -> None:
    found = Roots().interfaces()
    assert found["lo"] == socket.if_nametoindex("lo")
    assert found == Roots().interfaces(namespace="/proc/self/ns/net")


def test_a_captured_machine_has_names_in_the_order_of_the_file(tmp_path: Path) -> None:
    for folder, names in (("proc/net", ("vnet1", "vnet0", "br0:1")), ("proc/12/net", ("lo", "eth0"))):
        (tmp_path / folder).mkdir(parents=True)
        lines = "".join(f"{name:>6}: {NUMBERS}\n" for name in names)
        (tmp_path / folder / "dev").write_text(HEADING + lines + "no line of an interface\n")
    roots = Roots(tmp_path)
    assert list(roots.interfaces().items()) == [("vnet1", None), ("vnet0", None), ("br0:1", None)]
    assert roots.interfaces(namespace="/proc/12/ns/net") == {"lo": None, "eth0": None}


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{tmp_path}/proc/net/dev"):
        Roots(tmp_path).interfaces()
    with pytest.raises(SourceError, match="/run/netns/blue: the machine is a captured one"):
        Roots(tmp_path).interfaces("/run/netns/blue")
    with pytest.raises(SourceError, match="/run/netns/none-such"):
        Roots().interfaces("/run/netns/none-such")
