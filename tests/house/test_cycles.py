"""No module imports itself by way of others, and no folder does."""

from collections.abc import Mapping

import pytest

from tests.house import code
from tests.house.module_graph import Imports, Node, cycle, graph_of, rooms


@pytest.mark.parametrize(
    "folder",
    [
        "python/vmiostat",
        "rust/core/src",
        "testkit",
        "lab",
        "tests",
        "benches",
        "rust/py/src",
        "benches/floor/src",
        "fuzz/src",
    ],
)
def test_no_cycle(folder: str) -> None:
    graph = graph_of(code.imports(folder))
    assert len(graph) > 1, "no modules were found"
    found = [_shown(graph), *map(_shown, rooms(graph).values())]
    assert [cycle for cycle in found if cycle] == []


def _shown(graph: Mapping[Node, set[Node]]) -> str:
    return " -> ".join(map(str, cycle(graph)))


def test_a_cycle_is_found() -> None:
    imports: Imports = {("a", "b"): [("a", "c", "Name")], ("a", "c"): [("a", "d", "e")], ("a", "d", "e"): [("a", "b")]}
    assert set(cycle(graph_of(imports))) == set(imports)


def test_a_cycle_of_folders_is_found() -> None:
    imports: Imports = {
        ("a", "b", "one"): [("a", "c", "one")],
        ("a", "c", "two"): [("a", "b", "two")],
        ("a", "c", "one"): [],
        ("a", "b", "two"): [],
    }
    graph = graph_of(imports)
    assert cycle(graph) == []
    assert set(cycle(rooms(graph)["a",])) == {"b", "c"}
