"""A guest ends and another one comes under its name: it is a new one, and its neighbours' rows go on as they were."""

import os
import signal
import time
from typing import Any

from lab.kvm.running_lab import RunningLab
from testkit.polls import Poll, Polls
from vmiostat import Host, Sample


def generations(seen: list[Poll], kind: str, domain: str) -> set[int]:
    """The generations of a domain's first row, while it had numbers."""
    tables: list[Any] = [getattr(poll.sample, kind) for poll in seen]
    rows = [table[table.domains.index(domain)] for table in tables if domain in table.domains]
    return {row.generation for row in rows if row.state == "ok"}


def has(sample: Sample, domain: str) -> bool:
    return domain in sample.block.domains


def test_a_guest_ends_and_comes_back(lab: RunningLab, host: Host) -> None:
    before = {name: (domain.id, domain.process) for name, domain in lab.domains(host).items()}
    # Virtual machines of other labs may have the same names, and take those that are free.
    ours = host.follow(select=lambda domain: domain if domain.provider == "libvirt-status" else None)
    with ours as poller, Polls(poller.poll) as polls:
        # vm1 is the one by which its neighbours' network namespace may have been found.
        for guest in ("vm3", "vm1"):
            os.kill(lab.pids()[guest], signal.SIGKILL)
            polls.wait_for(lambda sample, ended=guest: not has(sample, ended))  # type: ignore[misc]
        lab.up()
        polls.wait_for(lambda sample: has(sample, "vm1") and has(sample, "vm3"))
        time.sleep(0.5)
    after = {name: (domain.id, domain.process) for name, domain in lab.domains(host).items()}
    assert before["vm2"] == after["vm2"]
    for guest in ("vm1", "vm3"):
        assert before[guest] != after[guest]
        gone = next(number for number, poll in enumerate(polls.seen) if not has(poll.sample, guest))
        for kind in ("block", "interface"):
            [first] = generations(polls.seen[:gone], kind, guest)
            second = generations(polls.seen[gone:], kind, guest)
            assert second
            assert min(second) > first
    for kind in ("block", "interface"):
        assert len(generations(polls.seen, kind, "vm2")) == 1
        rows = [getattr(poll.sample, kind) for poll in polls.seen]
        assert all(table[table.domains.index("vm2")].state == "ok" for table in rows)
