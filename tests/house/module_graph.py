"""A graph of modules, and the cycles in it."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from typing import TypeVar

Module = tuple[str, ...]
"""Its dotted name, in parts."""
Imports = Mapping[Module, Sequence[Module]]
"""By module: what it imports, down to names inside modules."""
Graph = Mapping[Module, set[Module]]
"""By module: the modules that it imports."""

Node = TypeVar("Node", bound=Hashable)


def graph_of(imports: Imports) -> Graph:
    """Each import ends at the module that holds what is imported."""

    def holder(name: Module) -> Module | None:
        return next((name[:length] for length in range(len(name), 0, -1) if name[:length] in imports), None)

    return {
        module: {found for name in names if (found := holder(name))} - {module} for module, names in imports.items()
    }


def cycle(graph: Mapping[Node, set[Node]]) -> list[Node]:
    """One cycle, if there is any: its first node is its last, too."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[Node] = error.args[1]
        return found[::-1]
    return []


def rooms(graph: Graph) -> dict[Module, dict[str, set[str]]]:
    """By folder: what of it imports what else of it; a folder inside it is one with all that it holds."""
    folders: dict[Module, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module, imported in graph.items():
        for other in imported:
            shared = tuple(
                one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(module, other, strict=False))
            )
            if len(shared) < min(len(module), len(other)):
                folders[shared][module[len(shared)]].add(other[len(shared)])
    return folders
