"""The stub says of the compiled module what that says of itself; the examples in its docstrings run."""

import doctest
from pathlib import Path

import pytest

from docs.generate import stub
from vmiostat import _core

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
EXAMPLES = [test for test in doctest.DocTestFinder().find(_core) if test.examples]


def test_the_stub_s_fields_are_those_of_the_table() -> None:
    assert stub.FIELDS.read_text(encoding="utf-8") == stub.fields(), "run `make docs`"
    assert stub.fields().count("class ") == 4
    for name in ("rd_req", "rx_bytes"):
        for of_type in ("int:", "float | None: ..."):
            assert stub.fields().count(f"def {name}(self) -> {of_type}") == 1


@pytest.mark.parametrize("file", stub.STUBS, ids=lambda file: file.name)
def test_the_stub_has_the_module_s_docstrings(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert stub.documented(text) == text, "run `make docs`"
    assert text.count('"""') > 10


def test_docstrings_are_written_where_there_are_none_or_old_ones() -> None:
    bare = """
class Rates:
    @property
    def block(self) -> int: ...

@final
class Sample:
    '''Of old.'''
    @property
    def plan(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
"""
    made = stub.documented(bare)
    assert made.startswith('\nclass Rates:\n    """The rates between two samples."""\n    @property\n    def block')
    assert 'def plan(self) -> int:\n        """The number of the plan that was read' in made
    assert made.endswith("def __eq__(self, other: object, /) -> bool: ...\n")
    assert "Of old" not in made
    assert stub.documented(made) == made


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_examples_run(example: doctest.DocTest) -> None:
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(example).failed == 0


def test_there_are_examples_of_what_is_used_most() -> None:
    assert {"Sample.rates", "BlockTable", "BlockStats", "Roots"} <= {
        example.name.removeprefix("vmiostat._core.") for example in EXAMPLES
    }
