"""A process that looks and answers like a QEMU: python -m tests.soak.qemu -qmp unix:PATH,server=on,wait=off."""

import sys
from pathlib import Path

from testkit.fakes.qemu import running


def listen(path: Path) -> None:
    """Until who started it has gone."""
    path.unlink(missing_ok=True)
    with running(path):
        print("listening", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    listen(Path(sys.argv[-1].removeprefix("unix:").partition(",")[0]))
