"""What the wheel brings along: the man page, completions, the JSON Schema. All are made from the command itself."""

import re
import shutil
import subprocess
from importlib.metadata import files
from pathlib import Path

import pytest

from docs.generate import completions, man_page, schema
from docs.generate.options import options
from vmiostat.cli import report

SHARE = Path(__file__).parents[2] / "share.data/data/share"
OPTIONS = {option for action in report.parser()._actions for option in action.option_strings}
MADE = {str(man_page.PATH.relative_to(SHARE)): man_page.text, str(schema.PATH.relative_to(SHARE)): schema.text}
MADE |= completions.FILES


@pytest.mark.parametrize("name", MADE)
def test_files_are_what_the_command_says(name: str) -> None:
    assert (SHARE / name).read_text() == MADE[name](), "run `make docs`"


def test_the_package_has_them_all() -> None:
    assert {str(path.relative_to(SHARE)) for path in SHARE.rglob("*") if path.is_file()} == MADE.keys()
    installed = {str(file).rpartition("share/")[2] for file in files("vmiostat") or () if "/share/" in str(file)}
    assert installed >= {name.rpartition("share/")[2] for name in MADE}


def test_the_man_page_has_every_option_and_no_error() -> None:
    page = man_page.text()
    assert set(re.findall(r"\\fB(\\-\S+?)\\fR", page)) == {option.replace("-", r"\-") for option in OPTIONS}
    if groff := shutil.which("groff"):
        done = subprocess.run(
            [groff, "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, timeout=30, check=True
        )
        assert done.stderr == ""


def bash(*words: str) -> set[str]:
    """What bash would complete the last of these words to."""
    script = f"""
        source {SHARE}/bash-completion/completions/vmiostat
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _vmiostat vmiostat "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stdout.split())


def test_bash_completes() -> None:
    assert bash("vmiostat", "--") == {option for option in OPTIONS if option.startswith("--")}
    assert bash("vmiostat", "dev") == {"devices"}
    assert bash("vmiostat", "-x", "--view", "") == {"guest", "host"}
    assert bash("vmiostat", "--sort", "wr_b") == {"wr_bytes"}
    assert bash("vmiostat", "--sort", "wkB") == {"wkB/s"}
    assert bash("vmiostat", "devices", "--so") == set()
    assert bash("vmiostat", "devices", "--exc") == {"--exclude"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_complete_every_option(shell: str) -> None:
    (path,) = (SHARE / name for name in completions.FILES if shell in name)
    text = path.read_text()
    for option in options(""):
        for flag in option.flags:
            dashes, name = re.fullmatch("(-+)(.*)", flag).groups()  # type: ignore[union-attr]
            assert (f"'*{flag}[" if shell == "zsh" else f" -{'ls'[dashes == '-']} {name} ") in text
    if program := shutil.which(shell):
        subprocess.run([program, "-n", path], timeout=30, check=True)
