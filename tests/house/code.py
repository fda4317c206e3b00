"""The project's code: its folders, their modules, and what each imports."""

from pathlib import Path

from tests.house.module_graph import Imports, Module
from tests.house.python_imports import python_imports, python_modules
from tests.house.rust_imports import rust_imports, rust_modules

ROOT = Path(__file__).parents[2]
PYTHON = ("python/vmiostat", "examples", "testkit", "lab", "tests", "benches", "docs")
RUST = ("rust/core/src", "rust/py/src", "benches/floor/src", "fuzz/src")


def modules(folder: str) -> dict[Module, Path]:
    if folder in RUST:
        return rust_modules(ROOT / folder)
    root, _, name = folder.rpartition("/")
    return python_modules(ROOT / root, name)


def imports(folder: str) -> Imports:
    found = modules(folder)
    if folder in RUST:
        return {module: list(rust_imports(module, path, found)) for module, path in found.items()}
    return {module: list(python_imports(path)) for module, path in found.items()}
