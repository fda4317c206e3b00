"""Which Rust module uses which, read from the text: `use`, and paths written out in the code."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.module_graph import Module

_NO_CODE = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"')
_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{")
"""Unit tests end a file, and may use what they like."""
_INNER = re.compile(r"\b(?:mod|macro_rules!) (\w+) \{")
"""A module inside the file, or a macro: here they are made for modules inside, and their `super` is the file."""
_USE = re.compile(r"\buse\s+([^;]+);")
_PATH = re.compile(r"(?<![\w:$])\w+(?:::\w+)+")
"""Not `$crate`: a macro's path belongs to the module that calls it."""


def rust_modules(source: Path) -> dict[Module, Path]:
    """All modules of a crate, by their path: ("crate", "parse", "netdev")."""
    return {_name(path.relative_to(source)): path for path in sorted(source.rglob("*.rs"))}


def rust_imports(module: Module, path: Path, modules: dict[Module, Path]) -> Iterator[Module]:
    """Paths from the crate's root, down to what is taken out of a module."""
    return _of_code(module, _TESTS.split(_NO_CODE.sub("", path.read_text()))[0], modules)


def _of_code(module: Module, code: str, modules: dict[Module, Path]) -> Iterator[Module]:
    while inner := _INNER.search(code):
        end = _closing_brace(code, inner.end())
        yield from _of_code((*module, inner[1]), code[inner.end() : end], modules)
        code = code[: inner.start()] + code[end + 1 :]
    used = [name for tree in _USE.findall(code) for name in _expanded("".join(tree.split()))]
    for name in [*used, *_PATH.findall(_USE.sub("", code))]:
        first, *others = name.split("::")
        if first == "crate":
            yield ("crate", *others)
        elif first in ("self", "super"):
            yield _relative(module, [first, *others])
        elif (*module, first) in modules:
            yield (*module, first, *others)


def _closing_brace(code: str, at: int) -> int:
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        at += 1
    return at - 1


def _expanded(tree: str) -> list[str]:
    """`a::{b,c::{d,e}}` as a::b, a::c::d, a::c::e."""
    before, brace, inner = tree.partition("{")
    if not brace:
        return [tree]
    inner = inner.removesuffix("}") + ","
    names, start = [], 0
    for at, letter in enumerate(inner):
        if letter == "," and inner.count("{", 0, at) == inner.count("}", 0, at):
            names += [before + name for name in _expanded(inner[start:at]) if name]
            start = at + 1
    return names


def _relative(module: Module, names: list[str]) -> Module:
    while names and names[0] in ("self", "super"):
        module = module[:-1] if names.pop(0) == "super" else module
    return (*module, *names)


def _name(path: Path) -> Module:
    *folders, name = path.with_suffix("").parts
    return ("crate", *folders) if name in ("mod", "lib", "main") else ("crate", *folders, name)
