"""If a test takes its machine down, it alone fails: the machine is booted again, and the others run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kernels import guest_tests
from lab.kernels.place import Place
from tests.kernels.from_outside.conftest import KERNEL

pytestmark = pytest.mark.timeout(900)

TESTS = """
import pathlib, time
from tests.kernels.hanging_fuse import Operation, hanging_fuse

def test_before():
    pass

def test_that_reboots():
    pathlib.Path("/proc/sysrq-trigger").write_text("b")
    time.sleep(600)

def test_that_hangs():
    with hanging_fuse(pathlib.Path("/run/hanging"), Operation.GETATTR) as hanging:
        hanging.hang()
        hanging.descriptor.stat()

def test_after():
    pass
"""


@pytest.fixture
def tests(place: Place) -> Iterator[Path]:
    """A file of tests, in a folder that the machine sees."""
    place.wheel.mkdir(parents=True, exist_ok=True)
    file = place.wheel / "test_made.py"
    file.write_text(TESTS)
    yield file
    file.unlink()


def test_the_others_run(
    place: Place, tests: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_tests, "_QUIET", 45.0)
    outcome = guest_tests.run_in(place, KERNEL, [str(tests)])
    assert {name.partition("::")[2]: said for name, said in outcome.tests.items()} == {
        "test_before": "passed",
        "test_that_reboots": "started",
        "test_that_hangs": "started",
        "test_after": "passed",
    }
    assert outcome.failed
    said = capsys.readouterr().out
    assert f"{KERNEL} has rebooted" in said
    assert "state D, in request_wait_answer" in said
