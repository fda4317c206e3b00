"""Counters from the text that `kstat -p` prints in a Solaris dom0 (fixtures/solaris-kstat, made)."""

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.fixture_trees import FIXTURES
from vmiostat import SourceError, solaris_kstat

TEXT = FIXTURES / "solaris-kstat/kstat-p.txt"


def test_disks_and_links() -> None:
    found = solaris_kstat.from_file(TEXT)
    assert list(found.block) == ["xdb0", "xdb11"]
    assert list(found.interface) == ["e1000g0", "xnbo1_0"]
    xdb0 = found.block["xdb0"]
    assert xdb0.v1 == (1200, -1, 3400, -1, 0)
    assert (xdb0.fl_req, xdb0.ds_req, xdb0.rd_time) == (17, -1, -1)
    assert (xdb0.time_ns, xdb0.generation, xdb0.state) == (86412_331002918, 411_904417340, "ok")
    assert found.block["xdb11"].v1 == (-1, -1, 8, -1, 0)  # more than a word holds
    assert found.interface["xnbo1_0"].v1 == (97920, 183, 0, -1, 101152, 192, 0, -1)
    assert found.interface["e1000g0"].v1 == (12884901888, 4295055419, 0, -1, 8589934593, 71001, 2, -1)


def test_a_device_that_came_back_has_another_generation() -> None:
    before, after = (
        solaris_kstat.parse(f"xdb:0:req_statistics:crtime\t{when}\nxdb:0:req_statistics:rd_reqs\t1\n").block["xdb0"]
        for when in ("41.5", "9041.25")
    )
    assert (before.generation, after.generation) == (41_500_000_000, 9041_250_000_000)
    assert before.time_ns == -1


@pytest.mark.parametrize(
    "line",
    ["", "xdb:0:req_statistics:rd_reqs 7", "xdb:0:req_statistics:rd_reqs\t-7", "xdb:0:req_statistics:rd_reqs\t",
     "xdb:x:req_statistics:rd_reqs\t7", "xdb:0:other:rd_reqs\t7", "link:1:e1000g0:rbytes64\t7",
     "xdb:0:req_statistics\t7", "sd:0:sd0:reads\t7", " xdb:0:req_statistics:rd_reqs\t7",
     f"xdb:0:req_statistics:rd_reqs\t{'9' * 21}"],
)  # fmt: skip
def test_other_lines_are_passed_over(line: str) -> None:
    assert solaris_kstat.parse(line) == solaris_kstat.Kstat()


def test_a_command() -> None:
    found = solaris_kstat.from_command([sys.executable, "-c", f"print(open({str(TEXT)!r}).read())"])
    assert found == solaris_kstat.from_file(TEXT)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/none/such"], "No such file or directory"),
        ([sys.executable, "-c", "raise SystemExit('kstat: not found')"], "has failed with status 1: kstat: not found"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "has failed with status 3: it said nothing"),
    ],
)
def test_a_command_that_fails(command: list[str], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        solaris_kstat.from_command(command)


def test_a_command_that_hangs_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"has not ended in 0\.5 s"):
        solaris_kstat.from_command([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_that_never_stops_printing_is_ended(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solaris_kstat, "_LIMIT", 1 << 20)
    words = "has printed more than" if stream == "stdout" else r"has not ended in 2 s"
    command = [sys.executable, "-c", f"import sys\nwhile True: print('x' * 4096, file=sys.{stream})"]
    with pytest.raises(SourceError, match=words):
        solaris_kstat.from_command(command, timeout=60 if stream == "stdout" else 2)


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last number might be half a number."""
    path = tmp_path / "kstat"
    path.write_text("xdb:0:req_statistics:rd_reqs\t1234")
    monkeypatch.setattr(solaris_kstat, "_LIMIT", path.stat().st_size)
    assert solaris_kstat.from_file(path).block["xdb0"].rd_req == 1234
    monkeypatch.setattr(solaris_kstat, "_LIMIT", path.stat().st_size - 1)
    with pytest.raises(SourceError, match="holds more than"):
        solaris_kstat.from_file(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as raised:
        solaris_kstat.from_file(tmp_path / "none")
    assert raised.value.filename == str(tmp_path / "none")


@given(
    st.text(max_size=200) | st.from_regex(r"(xdb|link):[0-9]{1,9}:(req_statistics|[^:\t\n]{1,9}):[a-z]+\t[0-9.]{1,30}")
)
def test_no_text_is_too_strange(text: str) -> None:
    found = solaris_kstat.parse(text)
    assert len(found.block) + len(found.interface) <= text.count("\t")
