"""Who is not root sees all devices and their counters, and is told what the domains' names take."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.xen import dom0
from tests.xen.devices import DISKS
from vmiostat import Host

NOBODY = 65534
PROGRAM = """
import json, vmiostat
host = vmiostat.Host()
domains = host.domains()
print(json.dumps({
    "domains": {domain.id: [domain.name, [*map(str, domain.disks)], [*map(str, domain.interfaces)]]
                for domain in domains},
    "counters": {domain.id: {disk.target: list(domain.block_stats(disk.target).v1) for disk in domain.disks
                             if disk.counter_source is not None} for domain in domains},
    "problems": [str(problem) for problem in host.problems],
}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What a process of nobody's sees, as JSON has it."""
    dom0.quiet()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_devices_are_those_that_root_sees(host: Host, seen: dict[str, Any]) -> None:
    for domain in host.domains():
        if domain.name in DISKS:
            name, disks, nics = seen["domains"][str(domain.id)]
            assert name == f"Domain-{domain.id}"
            assert len(disks) == len(domain.disks)
            assert nics == [nic.target for nic in domain.interfaces]


def test_the_counters_are_those_that_root_sees(host: Host, seen: dict[str, Any]) -> None:
    for domain in host.domains():
        if domain.name in DISKS:
            ours = [
                list(domain.block_stats(disk.target).v1) for disk in domain.disks if disk.counter_source is not None
            ]
            assert sorted(seen["counters"][str(domain.id)].values()) == sorted(ours)


def test_the_message_says_what_root_would_add(seen: dict[str, Any]) -> None:
    problem = next(problem for problem in seen["problems"] if "xenstore" in problem)
    assert "root" in problem
    assert "name" in problem
