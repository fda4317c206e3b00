"""The devices that are measured: made for the run, with counters that nobody else moves."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.real.devices import Loop, host_sends, make_veths
from tests.real.domain import write_domain
from tests.real.needs import need_devices, own_network
from vmiostat import Host


@dataclass(frozen=True)
class Interfaces:
    """Veths in a network namespace of the run's own: `names` are watched, as many peers are not."""

    names: list[str]
    host: Host


@dataclass(frozen=True)
class Disks:
    """Loop devices."""

    loops: list[Loop]
    host: Host


@pytest.fixture(scope="module", params=[10, 1000])
def interfaces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interfaces]:
    folder = tmp_path_factory.mktemp("interfaces")
    with own_network(folder / "sys") as sys:
        names = [f"ve{number}" for number in range(request.param // 2)]
        peers = [f"peer{number}" for number in range(request.param // 2)]
        make_veths(list(zip(names, peers, strict=True)))
        for number, name in enumerate(names):
            host_sends(name, count=number % 9, size=60 + number)
        xml = write_domain(folder, "container", kind="lxc", bridge=names + peers)
        yield Interfaces(names + peers, Host(xml=xml, sys=sys, view="host"))


@pytest.fixture(scope="module", params=[10, 100])
def disks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    need_devices()
    folder = tmp_path_factory.mktemp("disks")
    with ExitStack() as stack:
        loops = [stack.enter_context(Loop(folder / f"disk{number}")) for number in range(request.param)]
        for number, loop in enumerate(loops):
            loop.write(number % 7)
            loop.read(number % 5)
        yield Disks(loops, Host(xml=write_domain(folder, "guest", disks=loops), view="host"))
