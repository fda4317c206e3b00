"""A poll takes no more instructions than it did: what a change costs, on any machine, however busy."""

import json
import os
from pathlib import Path

import pytest

from benches.instructions import CASES, RECORD, count, program
from testkit.real.needs import need_program, skip

GROWTH = 1.05


@pytest.fixture(scope="module")
def counted() -> Path:
    if os.geteuid() != 0:
        skip("needs root: puts captured files in the place of this machine's")
    need_program("valgrind")
    return program()


@pytest.mark.parametrize("case", CASES)
def test_no_more_instructions_than_before(counted: Path, case: str) -> None:
    before, now = json.loads(RECORD.read_text())[case], count(counted, case)
    assert now <= before * GROWTH, (
        f"a round of {case} takes {now} instructions, {now / before - 1:.0%} more than {before};"
        " if that is what it has to cost now, write it down with `make instructions`"
    )
