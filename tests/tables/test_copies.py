"""What a poll gave can be pickled and copied: to another process, or into a file."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testkit.trees.numbered_devices import Tree, change
from testkit.two_instants import two_instants
from vmiostat import Explanation, Rates, Sample

ALL_PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Sample, Rates]:
    before, after = two_instants(tmp_path_factory.mktemp("xen") / "root")
    return before, after, after.rates(before)


def test_copies_are_equal(sampled: tuple[Sample, Sample, Rates]) -> None:
    before, after, rates = sampled
    one: object
    for one in (before, after.block, after.interface, rates, rates.block, rates.interface, *rates.block, *after.block):
        copies = [pickle.loads(pickle.dumps(one, protocol)) for protocol in ALL_PROTOCOLS]
        for other in (*copies, copy.copy(one), copy.deepcopy(one)):
            assert other == one
            assert repr(other) == repr(one)
    assert before != after
    assert before.block != after.block
    assert before != before.block
    assert rates != after.rates(after)


def test_copies_have_rates_with_one_another(sampled: tuple[Sample, Sample, Rates]) -> None:
    before, after, rates = sampled
    of_copies = pickle.loads(pickle.dumps(after)).rates(copy.deepcopy(before))
    assert of_copies == rates == after.rates(copy.copy(before))
    assert np.asarray(of_copies.block).tobytes() == np.asarray(rates.block).tobytes()
    assert pickle.loads(pickle.dumps(after)).rates() == after.rates()
    assert pickle.loads(pickle.dumps(after)).plan == after.plan


def test_copies_of_two_plans_and_of_two_pollers(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 3)
    with tree.poller([0, 1]) as poller, tree.poller([0, 1]) as another:
        before = pickle.loads(pickle.dumps(poller.poll()))
        change(poller, [0, 1], [1, 2])
        after = pickle.loads(pickle.dumps(poller.poll()))
        assert [row.state for row in after.rates(before).interface] == ["ok", "new"]
        with pytest.raises(ValueError, match="two pollers"):
            pickle.loads(pickle.dumps(another.poll())).rates(before)


def test_another_process_goes_on_with_a_sample(sampled: tuple[Sample, Sample, Rates], tmp_path: Path) -> None:
    before, after, rates = sampled
    (tmp_path / "samples").write_bytes(pickle.dumps((before, after)))
    program = """
import pickle, sys
before, after = pickle.load(open(sys.argv[1], "rb"))
sys.stdout.buffer.write(pickle.dumps(after.rates(before)))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "samples")]
    assert pickle.loads(subprocess.run(command, capture_output=True, check=True).stdout) == rates


def test_an_explanation_is_copied_too(tmp_path: Path) -> None:
    with Tree(tmp_path, 2).poller([0, 1]) as poller:
        explained = poller.explain()
    one: Explanation
    for one in explained:
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert explained[0] != explained[1]


def test_parts_that_do_not_fit_are_refused(sampled: tuple[Sample, Sample, Rates]) -> None:
    table = sampled[1].interface
    reduced: Any = table.__reduce__()
    make, (domains, devices, kinds, data) = reduced
    for parts, why in (
        ((domains[1:], devices, kinds, data), "a domain, a device and a kind for each row"),
        ((domains, devices, kinds, data[8:]), r"\d+ bytes are not the \d+ words of this table's rows"),
        ((domains, devices, ("disc",) * len(kinds), data), "not 'disc'"),
    ):
        with pytest.raises(ValueError, match=why):
            make(*parts)
    with pytest.raises(TypeError):
        make(tuple(range(len(domains))), devices, kinds, data)
