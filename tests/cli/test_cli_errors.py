"""Wrong arguments end with status 2, errors with status 1, each with one sentence."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from testkit.command import XEN, vmiostat
from vmiostat import STATE_HELP, STATES


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["0"], "0 is not an interval: it must be above 0"),
        (["-1"], "-1 is not an interval"),
        (["nan"], "nan is not an interval"),
        (["inf"], "inf is not an interval"),
        (["1e300"], "1e300 is not an interval"),
        (["1", "0"], "'0' is not a count"),
        (["1", "2.5"], "'2.5' is not a count"),
        (["1", "-3"], "'-3' is not a count"),
        (["5e-325"], "5e-325 is not an interval"),
        (["--sort", "nothing", "1"], "argument --sort: 'nothing' is no field"),
        (["--fields", "nothing", "--json"], "argument --fields: no record has 'nothing'"),
        (["--fields", "domain"], "--fields needs --json or --csv"),
        (["--no-header"], "--no-header needs --csv"),
        (["--dec", "9"], "invalid choice"),
        (["-m", "--human"], "not allowed with"),
        (["--jso"], "unrecognized arguments: --jso"),
        (["--json", "--csv"], "not allowed with"),
        (["--view", "mine"], "invalid choice: 'mine'"),
        (["--root"], "expected one argument"),
        (["--root", "/", "devices"], "put it first: vmiostat devices"),
        (["--root", ""], "argument --root: a path must not be empty"),
        (["--xml", ""], "argument --xml: a path must not be empty"),
        (["-c", ""], "argument -c/--connect: a URI must not be empty"),
        (["--vmm", "qemu"], "argument --vmm: 'qemu' does not begin with /"),
        (["--csv", "--csv-text"], "not allowed with"),
        (["--block-source", "qemu"], "--block-source qemu needs --qemu-interval"),
        (["devices", "1"], "takes no interval"),
        (["--bad\nline"], r"bad\nline"),
    ],
)
def test_wrong_usage(arguments: list[str], sentence: str) -> None:
    complaint = vmiostat(*arguments, status=2)
    assert complaint.startswith("vmiostat: ")
    assert sentence in complaint
    assert complaint.endswith("--help)\n")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["device"], "no domain matches 'device'; did you mean `vmiostat devices`?"),
        (["bad\nline"], r"no domain matches 'bad\nline'; there are: 'Domain-1', 'Domain-2', 'Domain-3'"),
        (["Domain1"], "no domain matches 'Domain1'; did you mean 'Domain-1'"),
        (["1", "2", "3"], "no domain matches '1': an interval and a count are the last words"),
        (["Domain-1", "nothing*", "0.1"], "no domain matches 'nothing*'"),
        (["--device", "nothing"], "no device matches 'nothing': `vmiostat devices` lists them"),
        (["devices", "nothing"], "no domain matches 'nothing'"),
    ],
)
def test_what_is_not_there(arguments: list[str], sentence: str) -> None:
    complaint = vmiostat(*arguments, "--root", XEN, status=1)
    assert complaint.startswith(f"vmiostat: {sentence}")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["devices"]])
def test_a_root_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    complaint = vmiostat(*command, "--root", tmp_path / "nowhere", status=1)
    assert "nowhere" in complaint
    assert complaint.count("\n") == 1


def test_a_machine_with_nothing_to_report(tmp_path: Path) -> None:
    *warnings, last = vmiostat("--root", tmp_path, status=1).splitlines()
    hint = f"is {tmp_path} the folder that holds a machine's proc and sys?"
    assert last == f"vmiostat: there is no device and no interface to report: {hint}"
    assert all(line.startswith("vmiostat: warning: ") for line in warnings)


def test_version() -> None:
    assert vmiostat("--version") == f"vmiostat {version('vmiostat')}\n"
    assert vmiostat("devices", "--version") == f"vmiostat {version('vmiostat')}\n"


def test_help_names_the_commands() -> None:
    assert "vmiostat devices [options] [DOMAIN ...]" in vmiostat("--help")
    assert "--json" in vmiostat("devices", "--help")


@pytest.mark.parametrize("command", [[], ["devices"]])
def test_help_fits_into_80_columns_and_has_every_state(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = vmiostat(*command, "--help")
    assert max(map(len, text.splitlines())) < 80
    if not command:
        states = " ".join(text.split())
        assert [word for word, help_ in zip(STATES, STATE_HELP, strict=True) if f"{word} {help_}" not in states] == [
            "ok"
        ]


def test_help_imports_only_what_it_needs() -> None:
    def modules(program: str) -> set[str]:
        program = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {program}"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return set(done.stderr.split())

    imported = modules("from vmiostat.cli.main import main; main(['--help'])") - modules("import vmiostat")
    assert "argparse" in imported
    assert not {"csv", "json", "lxml.etree", "vmiostat.cli.rows", "vmiostat.cli.table"} & imported
