"""The process with the statistics of a disk that tapdisk3 serves: /dev/shm/td3-PID/vbd-DOMID-NUMBER."""

import re

from vmiostat._core import Roots

_FOLDER = re.compile(r"td3-([1-9][0-9]{0,8})", re.ASCII)


def tapdisk_pid(domid: int, number: int, roots: Roots) -> int | None:
    """None if there is no such page, or none that may be read: the folders belong to root.

    Anyone may make such a folder in /dev/shm, so one that is not root's is passed over. xenstore names the process,
    too. A killed tapdisk leaves its pages behind: a running one takes precedence.
    """
    found = [match for name in roots.list_or_empty("/dev/shm") if (match := _FOLDER.fullmatch(name))]
    pids = [int(match[1]) for match in found if roots.is_roots_own(f"/dev/shm/{match[0]}/vbd-{domid}-{number}")]
    return next((pid for pid in pids if roots.exists(f"/proc/{pid}")), pids[0] if pids else None)
