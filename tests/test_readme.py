"""The README is true: its examples run, its targets and links exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_examples_run(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_targets_exist() -> None:
    targets = set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", README, re.MULTILINE))
    assert {"run", "test", "wheel", "bench"} <= targets
    explained = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets <= {line.split()[0] for line in explained.splitlines() if line}


def test_options_exist() -> None:
    table = README.partition("| option |")[2].partition("\n\n")[0]
    options = re.findall(r"`(-[^ `]+)", table)
    help_text = subprocess.run(
        [sys.executable, "-m", "vmiostat", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert len(options) > 5
    assert [option for option in options if not re.search(rf"(?<!\S){option}\b", help_text)] == []
