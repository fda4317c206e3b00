"""VMMs that have forked without execve(): the child has the same command line, and is no virtual machine of its own.

QEMU has such a child with -run-with async-teardown=on, which libvirt sets: it frees the memory once QEMU has ended, and
calls itself cleanup/PID (util/async-teardown.c). cloud-hypervisor has one for its console. The child of a QEMU with
-daemonize is the virtual machine, once its parent has ended.
"""

from collections.abc import Callable, Collection

from vmiostat._core import Roots
from vmiostat.discovery.running_process import running_process
from vmiostat.discovery.vmm.process import digest
from vmiostat.model import Process
from vmiostat.system.processes import command_line, parent

_CLEANUP = b"cleanup/"


class Forks:
    """The children, as long as they and their parents run."""

    def __init__(self) -> None:
        self._parents: dict[int, tuple[Process, Process]] = {}
        """A child and its parent, by the child's pid."""

    def keep(self, pids: Collection[int]) -> None:
        """Forgets all others."""
        self._parents = {pid: known for pid, known in self._parents.items() if pid in pids}

    def knows(self, pid: int, roots: Roots) -> bool:
        """Whether an earlier scan has seen that it is a fork, and that is still so."""
        if pid not in self._parents:
            return False
        child, of = self._parents[pid]
        if running_process(pid, roots) == child and _parent(pid, roots) == of:
            return True
        del self._parents[pid]
        return False

    def has(self, process: Process, arguments: int, may_be_vmm: Callable[[int], bool], roots: Roots) -> bool:
        """Whether the process, whose arguments have this digest, is the fork of a VMM: of a pid that `may_be_vmm`.

        Raises SourceError.
        """
        of = _parent(process.pid, roots)
        if of is not None and may_be_vmm(of.pid) and digest(command_line(of.pid, roots)) == arguments:
            self._parents[process.pid] = process, of
            return True
        return (roots.read_or_none(f"/proc/{process.pid}/comm") or b"").startswith(_CLEANUP)


def _parent(pid: int, roots: Roots) -> Process | None:
    of = parent(pid, roots)
    return running_process(of, roots) if of else None
