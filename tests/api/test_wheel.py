"""What is published: the wheel needs no Rust, no compiler and only lxml; the sdist holds all that a build needs."""

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo, to build the wheel"),
]


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist() -> Path:
    """dist/, as `make wheel` leaves it. The wheel is built from the sdist."""
    # This test may run under a make of its own, whose variables are not for this one.
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "VENV", "PYTHON")
    }
    run("make", "wheel", env=env)
    return ROOT / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an empty virtual environment, into which the wheel went with no other program in reach."""
    home = tmp_path_factory.mktemp("empty")
    venv.create(home, with_pip=True)
    programs = home / "bin"
    assert shutil.which("cargo", path=str(programs)) is None
    env = {**os.environ, "PATH": str(programs)}
    run(programs / "python", "-m", "pip", "install", "-q", "--only-binary", ":all:", wheel, env=env)
    return programs


def test_the_wheel_is_for_every_python_from_3_11_on(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata_name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(metadata_name))
    assert {"vmiostat/_core.abi3.so", "vmiostat/_core.pyi", "vmiostat/py.typed"} <= set(names)
    assert not [name for name in names if name.endswith((".rs", ".pyc"))]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert required == ["lxml>=6.1"]


def test_the_sdist_holds_what_a_build_needs(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        str(path.relative_to(ROOT))
        for pattern in ("rust/*/src/**/*.rs", "python/vmiostat/**/*.py", "python/vmiostat/*.pyi")
        for path in ROOT.glob(pattern)
    }
    assert sources <= names
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"} <= names


def test_lxml_is_the_only_dependency(installed: Path) -> None:
    listed = json.loads(run(installed / "python", "-m", "pip", "list", "--format", "json"))
    assert {package["name"] for package in listed} - {"pip", "setuptools"} == {"lxml", "vmiostat"}


def test_the_command_runs(installed: Path, wheel: Path) -> None:
    env = {**os.environ, "PATH": str(installed)}
    version = wheel.name.split("-")[1]
    assert version in run("vmiostat", "--version", env=env)
    reports = run("vmiostat", "-y", "--json", "0.1", "2", env=env).splitlines()
    assert len([json.loads(report) for report in reports]) == 2
    assert run("vmiostat", "-y", "0.1", "2", env=env)
    assert run("vmiostat", "devices", env=env)


def test_a_debug_build_warns(tmp_path: Path) -> None:
    env = {**os.environ, "PYO3_BUILD_EXTENSION_MODULE": "1"}
    run("cargo", "build", "--locked", "-p", "vmiostat-py", "--target-dir", "target", env=env)
    shutil.copytree(ROOT / "python", tmp_path, dirs_exist_ok=True)
    shutil.copy(ROOT / "target/debug/lib_core.so", tmp_path / "vmiostat/_core.abi3.so")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    program = "import sys, warnings; warnings.simplefilter('error'); import vmiostat"
    imported = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert imported.returncode != 0
    assert "Warning" in imported.stderr
    assert "--release" in imported.stderr
