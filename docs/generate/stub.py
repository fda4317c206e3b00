"""Writes the stub of the compiled module: its fields from the field table, its docstrings from the module's own.

`_core_fields.pyi` is made whole. In the others the signatures are written by hand, and whatever the module documents
gets that docstring. Part of `make docs`.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from vmiostat import _core
from vmiostat._core import BLOCK_FIELDS, INTERFACE_FIELDS

PACKAGE = Path(__file__).parents[2] / "python/vmiostat"
FIELDS = PACKAGE / "_core_fields.pyi"
STUBS = [PACKAGE / f"_core{part}.pyi" for part in ("", "_bases", "_machine")]
BASES = {
    "Events": _core.LinkEvents,
    "StatsRow": _core.BlockStats,
    "RatesRow": _core.BlockRates,
    "Table": _core.BlockTable,
}
"""Classes that only the stub has, and where their docstrings are from."""

HEAD = '''\
"""The fields of the rows, for type checkers: made by `make docs` from the field table."""

from typing import type_check_only
'''
TABLES = {"Block": BLOCK_FIELDS, "Interface": INTERFACE_FIELDS}
STATE = "A word of STATES; in the tuple, the bytes and the arrays it is that word's number."
WIDTH = 112

Definition = ast.ClassDef | ast.FunctionDef


def fields() -> str:
    """The text of _core_fields.pyi."""
    made = []
    for table in TABLES:
        made += [f"\n@type_check_only\nclass {table}StatsFields:\n", *_stats(table)]
        made += [f"\n@type_check_only\nclass {table}RatesFields:\n", *_rates(table)]
    return HEAD + "".join(made)


def _stats(table: str) -> Iterator[str]:
    for field in TABLES[table]:
        unit = "" if field.unit == "number" else f"; in {field.unit}"
        gauge = ", a gauge" * (field.kind == "gauge")
        is_state = field.name == "state"
        doc = STATE if is_state else f"{field.help[0].upper()}{field.help[1:]}{unit}{gauge}."
        yield f"    @property\n    def {field.name}(self) -> {'str' if is_state else 'int'}:\n"
        yield textwrap.indent(textwrap.fill(f'"""{doc}"""', WIDTH), " " * 8) + "\n"


def _rates(table: str) -> Iterator[str]:
    for field in TABLES[table]:
        if field.kind != "row":
            yield f"    @property\n    def {field.name}(self) -> float | None: ...\n"


def documented(stub: str) -> str:
    """The stub with the module's docstrings."""
    lines = stub.splitlines()
    for node, doc in sorted(_docs(ast.parse(stub)), key=lambda found: -found[0].lineno):
        first, last = node.body[0], node.body[0].end_lineno
        quoted = (f'"""{doc}\n"""' if "\n" in doc else f'"""{doc}"""').splitlines()
        made = [f"{' ' * (node.col_offset + 4)}{line}".rstrip() for line in quoted]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):  # an ellipsis or a docstring
            head = lines[first.lineno - 1][: first.col_offset].rstrip()
            lines[first.lineno - 1 : last] = [head, *made] if head else made
        else:
            start = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))])
            lines[start - 1 : start - 1] = made
    return "\n".join(lines) + "\n"


def _docs(module: ast.Module) -> Iterator[tuple[Definition, str]]:
    for node in module.body:
        if not isinstance(node, ast.ClassDef):
            continue
        real: type = BASES.get(node.name) or getattr(_core, node.name)
        documented: list[tuple[Definition, object]] = [(node, real)] if node.name not in BASES else []
        members = [one for one in node.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("__")]
        for definition, of in [*documented, *((member, getattr(real, member.name)) for member in members)]:
            if of.__doc__:
                yield definition, inspect.cleandoc(of.__doc__)


def write() -> None:
    FIELDS.write_text(fields(), encoding="utf-8")
    for stub in STUBS:
        stub.write_text(documented(stub.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
