"""A first scan that hangs: the command says so, and its reports have rows once it ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testkit.trees.libvirt import LibvirtTree

PROGRAM = """
import sys, time
from vmiostat.discovery.scan import Discovery
from vmiostat.polling import followed_plan
from vmiostat.cli.main import main
from vmiostat.watching import scanner

scanner._SLOW, followed_plan.FIRST_SCAN = 0.1, 0.3
find = Discovery.scan

def hangs(*arguments, **options):
    print("looking", file=sys.stderr, flush=True)
    time.sleep(float(sys.argv[1]))
    return find(*arguments, **options)

Discovery.scan = hangs
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def tree(tmp_path: Path) -> LibvirtTree:
    tree = LibvirtTree(tmp_path / "machine")
    tree.interfaces({"vnet0": 10})
    tree.start("web1", ["vnet0"])
    return tree


def ran(tree: LibvirtTree, seconds: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command did whose looks take so long."""
    command = [sys.executable, "-c", PROGRAM, str(seconds), "--root", str(tree.root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("form", ["", "--csv", "--json"])
def test_the_rows_come_when_it_ends(tree: LibvirtTree, form: str) -> None:
    done = ran(tree, 1.5, *filter(None, [form]), "0.5", "6")
    assert done.returncode == 0, done.stderr
    assert "a scan has been in progress for" in done.stderr
    assert "web1" in done.stdout


def test_no_rows_at_all_is_an_error_once_it_has_ended(tree: LibvirtTree) -> None:
    done = ran(tree, 0.0, "--block", "0.5", "6")
    assert done.returncode == 1
    assert "there is no device to report" in done.stderr


@pytest.mark.parametrize("after", [0.0, 1.0])
def test_ctrl_c_ends_it(tree: LibvirtTree, after: float) -> None:
    """Before it has given up waiting, and after that."""
    program = PROGRAM.replace("FIRST_SCAN = 0.1, 0.3", f"FIRST_SCAN = 0.1, {1000.0 if after == 0.0 else 0.3}")
    command = [sys.executable, "-c", program, "1000", "--root", str(tree.root), "0.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "looking\n"
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
