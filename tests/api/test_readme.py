"""The README and the pages of docs/: their examples run, their targets and options exist."""

import re
import subprocess
from pathlib import Path

import pytest

from vmiostat.cli import report

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The page on arrays has a test of its own, since its examples need one another.
EXAMPLES = [
    pytest.param(example, id=f"{page.name}-{number}")
    for page in PAGES
    if page.name != "arrays.md"
    for number, example in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    if "__main__" not in example  # a program: it has a test of its own
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "an example", "exec"), {})
    assert capsys.readouterr().out


def test_targets_exist() -> None:
    targets = set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", README, re.MULTILINE))
    assert {"run", "test", "wheel", "bench"} <= targets
    explained = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets <= {line.split()[0] for line in explained.splitlines() if line}


def test_every_option_is_in_the_table_and_no_other() -> None:
    table = (ROOT / "docs/command.md").read_text().partition("| option |")[2].partition("\n\n")[0]
    there_are = {option for action in report.parser()._actions for option in action.option_strings}
    assert set(re.findall(r"`(-[^ `]+)", table)) == there_are
