"""The budgets in docs/security.md are those of the code."""

from pathlib import Path

import pytest

from vmiostat.discovery import limits
from vmiostat.discovery.vmm import configurations, processes
from vmiostat.qemu_stats import qmp_client, qmp_conversation, query_loop, query_queue
from vmiostat.system import configuration_file
from vmiostat.system.probe import pool
from vmiostat.system.processes import COMMAND_LINE_LIMIT

SECURITY = Path(__file__).parents[2] / "docs/security.md"


def table() -> dict[str, str]:
    """The limit of each budget."""
    section = SECURITY.read_text().partition("## What a flood may cost")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {budget: limit for budget, limit, _ in lines[1:]}


IN_FLIGHT = qmp_client.IN_FLIGHT_LIMIT.in_time
LIMITS = {
    "bytes of a name": limits.NAME_BYTES,
    "bytes of a command line": COMMAND_LINE_LIMIT,
    "disks and interfaces of a virtual machine": limits.DEVICES,
    "those of all machines of a user": limits.DEVICES_OF_A_USER,
    "virtual machines found by their processes": limits.MACHINES,
    "those of a user": limits.MACHINES_OF_A_USER,
    "unverified processes": processes._SHOWN,
    "problems of a scan": limits.PROBLEMS,
    "helper processes that hang, because of a user": pool.MOST_STUCK_BY_A_USER,
    "calls of a helper process that hang within a minute, because of a user": pool.MOST_HANGS_BY_A_USER,
    "events during a query": qmp_conversation.MAX_EVENTS,
}
TEXTS = {
    "descriptors of a process: listed, and probed for devices": f"{limits.OPEN_FILES:,} and {limits.DESCRIPTORS:,}",
    "CPU time of a scan for the processes of a user": f"{limits.SCAN_TIME_OF_A_USER:g} s",
    "either, because of paths in definitions": f"{pool.MOST_STUCK_BY_A_USER} and {pool.MOST_HANGS_BY_A_USER}",
    "either, because of paths outside `/dev` in command lines": (
        f"{pool.MOST_STUCK_BY_A_USER} and {pool.MOST_HANGS_BY_A_USER}"
    ),
    "configuration files of a process, and bytes of one": (
        f"{configurations.MOST} and {configuration_file.LIMIT >> 20} MiB"
    ),
    "bytes of a query over QMP, and of a line": (
        f"{qmp_conversation.MAX_LENGTH >> 20} MiB and {qmp_conversation.MAX_LINE_LENGTH >> 20} MiB"
    ),
    "CPU time of a query": f"{query_loop._CPU_TIME:g} s",
    "bytes kept of an answer that is late": f"{qmp_conversation._LATE_LENGTH >> 10} KiB",
    "CPU time of the queries of a user": {0.25: "a quarter of a CPU"}[query_queue.CPU_SHARE],
    "queries in flight, of a user": f"{IN_FLIGHT // 4} of {IN_FLIGHT}, an equal part with more than four users",
}


@pytest.mark.parametrize(
    ("budget", "limit"), [*((name, f"{number:,}") for name, number in LIMITS.items()), *TEXTS.items()]
)
def test_a_budget_is_that_of_the_code(budget: str, limit: str) -> None:
    assert table()[budget] == limit


def test_no_budget_is_missing() -> None:
    assert table().keys() == LIMITS.keys() | TEXTS.keys()
