"""Every import stays in its layer or goes to one that the layer may know: tests/house/layers.py."""

import re
from collections.abc import Mapping

import pytest

from tests.house import code
from tests.house.layers import CORE, HOUSE, PACKAGE, Layer
from tests.house.module_graph import Module, graph_of

TABLES = [
    pytest.param(CORE, "rust/core/src", id="rust/core/src"),
    pytest.param(PACKAGE, "python/vmiostat", id="python/vmiostat"),
]


def room(module: Module) -> str:
    return module[1] if len(module) > 1 else "."


def layers(table: Mapping[str, Layer]) -> dict[str, str]:
    """By room."""
    return {room: name for name, layer in table.items() for room in layer.rooms.split()}


def wrong(table: Mapping[str, Layer], here: str, there: str) -> bool:
    """Whether a room must not import another."""
    of = layers(table)
    return of[here] != of[there] and of[there] not in table[of[here]].knows.split()


@pytest.mark.parametrize(("table", "folder"), TABLES)
def test_every_room_is_in_the_table(table: Mapping[str, Layer], folder: str) -> None:
    assert {room(module) for module in code.modules(folder)} == set(layers(table))


@pytest.mark.parametrize(("table", "folder"), TABLES)
def test_imports_go_down(table: Mapping[str, Layer], folder: str) -> None:
    graph = graph_of(code.imports(folder))
    found = [(module, other) for module, others in graph.items() for other in others]
    assert found
    assert [f"{'.'.join(a)} -> {'.'.join(b)}" for a, b in found if wrong(table, room(a), room(b))] == []


@pytest.mark.parametrize(("table", "folder"), TABLES)
def test_what_a_layer_must_never_do(table: Mapping[str, Layer], folder: str) -> None:
    of = layers(table)
    never = {module: table[of[room(module)]].never for module in code.modules(folder)}
    texts = {module: path.read_text() for module, path in code.modules(folder).items()}
    assert any(never.values())
    assert [
        ".".join(module) for module, text in texts.items() if never[module] and re.search(never[module], text)
    ] == []


def test_folders_know_what_they_may() -> None:
    imports = [
        (module, name[0]) for folder in code.PYTHON for module, names in code.imports(folder).items() for name in names
    ]
    inside = [(module, there) for module, there in imports if there in layers(HOUSE)]
    assert inside
    assert [f"{'.'.join(module)} -> {there}" for module, there in inside if wrong(HOUSE, module[0], there)] == []


def test_an_import_upwards_is_found() -> None:
    assert wrong(PACKAGE, "resolve", "polling")
    assert wrong(PACKAGE, "discovery", "resolve")
    assert not wrong(PACKAGE, "polling", "resolve")
    assert wrong(HOUSE, "benches", "tests")
