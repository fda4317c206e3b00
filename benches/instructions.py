"""`python -m benches.instructions`: counts the instructions of polls of captured machines, and records them.

On a busy machine, times cannot show a difference of a few per cent; the number of instructions is the same in every
run. Callgrind counts them, without the kernel's.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from benches.cargo import ROOT, built

RECORD = Path(__file__).with_suffix(".json")
BUSY, XEN = ROOT / "fixtures/busy-host", ROOT / "fixtures/xen-4.17-real/instant-1"
CASES = {
    "net_dev": (BUSY, ()),
    "net_dev_few_of_many": (BUSY, ()),
    "diskstats": (BUSY, ()),
    "diskstats_few_of_many": (BUSY, ()),
    "xen_vbd": (XEN, ()),
    "netlink_dump": (BUSY, (BUSY / "rtm-getstats-dump",)),
}
"""The captured machine that a case is about, and its program's other arguments."""
ROUNDS = 100
"""Of the program (rust/core/examples/instructions.rs)."""


def program() -> Path:
    """What is counted. rustix calls the C library: on its own it would search for the vDSO, which valgrind hides."""
    return built("rust/core/Cargo.toml", "--example", "instructions", "--features", "rustix/use-libc")


# Valgrind before 3.22 does not know openat2, without which a captured tree is no machine. So its files are put in the
# place of this machine's, in a mount namespace that ends with the program; its /proc folder is that of the shell.
AS_THIS_MACHINE = """\
set -e
mount --bind "$0/proc/net" "/proc/$$/net"
mount --bind "$0/proc/net" "/proc/$$/task/$$/net"
if [ -e "$0/proc/diskstats" ]; then mount --bind "$0/proc/diskstats" /proc/diskstats; fi
if [ -e "$0/sys" ]; then mount --bind "$0/sys" /sys; else mount -t tmpfs none /sys; fi
exec "$@"
"""


def count(counted: Path, case: str) -> int:
    """Instructions a round."""
    machine, arguments = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        command = [
            *("unshare", "--mount", "sh", "-c", AS_THIS_MACHINE, str(machine)),
            *("valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}"),
            *("--collect-atstart=no", "--toggle-collect=*measured*"),
            *(str(counted), case, *map(str, arguments)),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"{case} was not counted:\n{ran.stderr}")
        total = re.search(r"^(?:summary|totals): (\d+)$", out.read_text(), re.MULTILINE)
    if total is None or total[1] == "0":
        raise RuntimeError(f"callgrind has counted nothing in {case}: the function `measured` has another name now")
    return int(total[1]) // ROUNDS


def main() -> None:
    counted = program()
    counts = {case: count(counted, case) for case in CASES}
    RECORD.write_text(json.dumps(counts, indent=1) + "\n")
    print(RECORD.read_text(), end="")


if __name__ == "__main__":
    main()
