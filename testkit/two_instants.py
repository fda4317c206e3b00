"""A captured Xen host at two instants, five seconds apart, that one poller reads."""

import shutil
from pathlib import Path

from testkit.fixture_trees import XEN
from vmiostat import Host, Sample


def two_instants(root: Path) -> tuple[Sample, Sample]:
    """Both samples; `root` is a folder that is not there yet."""
    shutil.copytree(XEN / "instant-1", root, symlinks=True)
    with Host(root).poller() as poller:
        before = poller.poll()
        for file in (XEN / "instant-2").rglob("*"):
            if file.is_file() and not file.is_symlink():
                (root / file.relative_to(XEN / "instant-2")).write_bytes(file.read_bytes())
        return before, poller.poll()
