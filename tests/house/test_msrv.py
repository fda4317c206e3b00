"""The oldest Rust that Cargo.toml names is enough for everything that the package is built from.

clippy's incompatible_msrv holds the project's own code to it, in `make lint`.
"""

import json
import shutil
import subprocess
import tomllib

import pytest

from tests.house.code import ROOT


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
def test_no_dependency_needs_a_newer_rust() -> None:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)["packages"]
    ours = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    needed = {package["name"]: package["rust_version"] or "1.0" for package in packages}
    assert needed["vmiostat-core"] == ours
    assert {name: rust for name, rust in needed.items() if version(rust) > version(ours)} == {}
