"""Whose modules root's command imports: none from a folder that another user can write."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import COMMAND, XEN

ROOT = Path(__file__).parents[2]
NOBODY = 65534
SCRIPT = [str(Path(sys.executable).with_name("vmiostat"))]
OPTIONS = ["devices", "--root", str(XEN)]
MODULES = "import json, sys; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"


pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below one that everybody may enter."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        made = Path(above, "folder")
        made.mkdir(mode=0o755)
        yield made


def imported_modules(command: list[str], cwd: Path) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def names(tmp_path: Path) -> set[str]:
    """What the command imports after Python has started."""
    (tmp_path / "started.py").write_text(MODULES)
    at_start = imported_modules([sys.executable, "-m", "started"], tmp_path)
    program = f"from vmiostat.cli.main import main; main({OPTIONS}); {MODULES}"
    return imported_modules([sys.executable, "-c", program], tmp_path) - at_start - {"vmiostat", "__main__"}


def plant(folder: Path, names: set[str], owner: int = NOBODY) -> Path:
    """Modules of these names that leave a trace; the value is where."""
    trace = folder.with_name("trace")
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'a').write({name!r} + ' ')\nraise ImportError\n")
    os.chown(folder, owner, owner)
    return trace


def run(command: list[str], cwd: Path, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": ""} | variables
    done = subprocess.run(
        [*command, *OPTIONS], capture_output=True, text=True, cwd=cwd, env=environment, timeout=60, check=False
    )
    return done.stdout


@pytest.fixture
def as_usual() -> str:
    text = run(SCRIPT, Path("/"))
    assert "xvda" in text
    return text


def test_the_current_folder(folder: Path, names: set[str], as_usual: str) -> None:
    assert {"argparse", "lxml"} <= names
    trace = plant(folder, names)
    assert run(COMMAND, folder) == as_usual
    assert not trace.exists()


@pytest.mark.parametrize("command", [SCRIPT, COMMAND], ids=["script", "-m"])
def test_a_folder_of_pythonpath(command: list[str], folder: Path, names: set[str], as_usual: str) -> None:
    trace = plant(folder, names)
    assert run(command, Path("/"), PYTHONPATH=str(folder)) == as_usual
    assert not trace.exists()


def test_a_folder_that_everybody_can_write(folder: Path, names: set[str], as_usual: str) -> None:
    trace = plant(folder, names, 0)
    folder.chmod(0o777)
    assert run(SCRIPT, Path("/"), PYTHONPATH=str(folder)) == as_usual
    folder.chmod(0o1777)
    assert run(SCRIPT, Path("/"), PYTHONPATH=str(folder)) == as_usual
    assert not trace.exists()


def test_a_folder_below_one_of_another_user_and_a_link(folder: Path, names: set[str], as_usual: str) -> None:
    below = folder / "below"
    below.mkdir()
    trace = plant(below, names, 0)
    os.chown(folder, NOBODY, NOBODY)
    (folder.parent / "link").symlink_to(below)
    for path in (below, folder.parent / "link", Path(f"{sys.prefix}/../../../../../../../../{below}")):
        assert run(SCRIPT, Path("/"), PYTHONPATH=str(path)) == as_usual
    assert not trace.exists()


def test_isolated_mode_imports_nothing_from_there_at_all(folder: Path, names: set[str], as_usual: str) -> None:
    trace = plant(
        folder, names | {"sitecustomize", "usercustomize", "importlib", "collections", "runpy", "re", "types"}
    )
    isolated = [sys.executable, "-I", "-m", "vmiostat"]
    assert run(isolated, folder, PYTHONPATH=str(folder)) == as_usual
    assert run([sys.executable, "-I", *SCRIPT], folder, PYTHONPATH=str(folder)) == as_usual
    assert not trace.exists()


def test_a_folder_of_roots_is_searched(folder: Path) -> None:
    trace = plant(folder, {"csv"}, 0)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([*SCRIPT, "--csv", "--root", XEN], capture_output=True, env=environment, check=False)
    assert done.returncode == 1
    assert trace.read_text() == "csv "


def test_another_program_keeps_its_path(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    (folder / "agent.py").write_text("import sys, vmiostat; print(*sys.path, sep='\\n')")
    for command in ([sys.executable, "-m", "agent"], [sys.executable, "agent.py"]):
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, check=True)
        assert str(folder) in done.stdout.splitlines()


def test_no_variable_of_the_environment_is_read() -> None:
    sources = [*(ROOT / "python/vmiostat").rglob("*.py"), *(ROOT / "rust").rglob("src/**/*.rs")]
    assert len(sources) > 200
    reads = re.compile(r"\benviron|\bgetenv|\benv::")
    assert [path for path in sources if reads.search(path.read_text().partition("#[cfg(test)]")[0])] == []
