"""Which Python module imports which, read from the text: imports for type checkers and inside functions count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.module_graph import Module


def python_modules(root: Path, folder: str) -> dict[Module, Path]:
    """All modules in a folder below the root that they are imported from."""
    files = sorted((root / folder).rglob("*.py")) + sorted((root / folder).rglob("*.pyi"))
    return {_name(path.relative_to(root)): path for path in files}


def python_imports(path: Path) -> Iterator[Module]:
    """Dotted names, down to what is taken out of a module: `from a.b import c` is (a, b, c)."""
    if path.suffix == ".pyi":
        return  # describes a compiled module, which imports no Python
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                yield from (tuple(name.name.split(".")) for name in names)
            case ast.ImportFrom(str(module), names, 0):
                yield from ((*module.split("."), name.name) for name in names)
            case ast.ImportFrom():
                raise AssertionError(f"{path}:{node.lineno}: a relative import; write the whole name")


def _name(path: Path) -> Module:
    *folders, name = path.with_suffix("").parts
    return tuple(folders) if name == "__init__" else (*folders, name)
