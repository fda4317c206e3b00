"""The agent that the page on monitoring shows."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.trees.libvirt import LibvirtTree

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "examples/agent.py"


def test_the_page_shows_it() -> None:
    assert f"```python\n{AGENT.read_text()}```\n" in (ROOT / "docs/monitoring.md").read_text()
    assert len(AGENT.read_text().splitlines()) < 50


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_follows_guests_and_ends_cleanly(end: signal.Signals, tmp_path: Path) -> None:
    tree = LibvirtTree(tmp_path)
    tree.interfaces({"vnet0": 10, "vnet1": 20})
    tree.start("web1", ["vnet0"])
    with subprocess.Popen([sys.executable, AGENT, tmp_path], stdout=-1, stderr=-1, text=True) as agent:
        assert agent.stdout is not None
        lines = (line.rstrip("\n") for line in itertools.islice(agent.stdout, 1000))
        assert next(lines) == "web1 interface vnet0 received 0.0 B/s, sent 0.0 B/s"
        tree.start("db1", ["vnet1"], number=2)
        assert "db1 interface vnet1 received 0.0 B/s, sent 0.0 B/s" in lines
        (tree.folder / "bad.xml").write_text("<domstatus")
        tree.end("web1")
        between = (list(itertools.takewhile(lambda line: "db1" not in line, lines)) for _ in itertools.count())
        assert [] in between
        agent.send_signal(end)
        _, problems = agent.communicate(timeout=60)
        assert agent.returncode == 0
        assert problems.startswith(f"warning: {tree.folder}/bad.xml:1: ")
        assert problems.count("\n") == 1
