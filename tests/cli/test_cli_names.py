"""Names are chosen by guests and their owners: no name breaks the output."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from vmiostat.cli.names import LONGEST, cell, escaped, one_line, valid, width

# Also lone surrogates: Python holds bytes that are no UTF-8 as such.
anything = st.text(st.characters(exclude_categories=()))


def test_control_characters_are_escaped() -> None:
    assert cell("a\x1b]0;title\x07b") == r"a\x1b]0;title\x07b"
    assert cell("line\nline\rline\tend") == r"line\nline\rline\tend"
    assert cell("c1 \x9b2J") == r"c1 \u009b2J"
    assert cell("turned \u202e and \u2066") == r"turned \u202e and \u2066"
    assert cell("no\u200bwidth\ufeff") == r"no\u200bwidth\ufeff"
    assert cell("other\u00a0space\u2028") == r"other\u00a0space\u2028"
    assert cell("\U000e0041") == r"\U000e0041"


def test_blank_and_combining_letters_are_escaped() -> None:
    assert cell("web\u1160") == r"web\u1160"
    assert cell("web\u3164 \uffa0\u2800") == r"web\u3164 \uffa0\u2800"
    assert cell("\u1100\u1161") == "\u1100" r"\u1161"
    assert cell("가") == "가"


def test_quotes_and_backslashes_are_escaped() -> None:
    assert cell('say "hi"') == r"say \"hi\""
    assert cell(r"a\nb") == r"a\\nb"
    assert cell("") == '""'
    assert cell('""') == r"\"\""
    assert cell(" web1 ") == r"\x20web1\x20"
    assert cell("my web") == "my web"


def test_bytes_that_are_no_utf8_are_shown_as_bytes() -> None:
    name = b"net\xff\xc3".decode("utf-8", "surrogateescape")
    assert cell(name) == escaped(name) == valid(name) == r"net\xff\xc3"
    assert cell(r"net\xff") == escaped(r"net\xff") == valid(r"net\xff") == r"net\\xff"


def test_letters_of_other_alphabets_stay() -> None:
    for name in ("Datenbank-Größe", "数据库", "база", "μ²"):
        assert cell(name) == escaped(name) == valid(name) == name
    assert width("数据库") == 6
    assert width("база") == 4


def test_combining_marks_are_escaped() -> None:
    assert cell("e\u0301") == r"e\u0301"
    assert cell("\u0300" * 3) == r"\u0300" * 3


def test_a_long_name_loses_its_middle_but_no_part_of_an_escape() -> None:
    assert cell("x" * LONGEST) == "x" * LONGEST
    long = cell("begin" + "\x1b" * 1_000_000 + "end")
    assert width(long) <= LONGEST
    assert long.startswith(r"begin\x1b\x1b")
    assert long.endswith(r"\x1b\x1bend")
    before, digits, after = long.removeprefix("begin").removesuffix("end").split("…")
    assert set(before.split("\\")) == {"", "x1b"} == set(after.split("\\"))
    assert len(digits) == 8
    assert int(digits, 16) >= 0
    assert width(cell("库" * 100)) <= LONGEST


def test_no_two_long_names_become_one() -> None:
    names = [f"{'n' * LONGEST}{number}{'n' * LONGEST}" for number in range(1000)]
    assert len(set(map(cell, names))) == 1000
    assert {width(cell(name)) for name in names} == {LONGEST}
    assert len({cell(f"{'n' * LONGEST}{number}") for number in range(1000)}) == 1000


@given(anything, anything)
def test_no_name_looks_like_another_that_is_cut(one: str, other: str) -> None:
    assert cell(cell("x" * 99)) != cell("x" * 99)
    assert (cell(one) == cell(other)) == (one == other)
    assert (cell(one + "n" * 60) == cell(other + "n" * 60)) == (one == other)


def test_a_message_stays_one_line() -> None:
    assert one_line("C:\\x 'a\nb' \x1b[2J") == "C:\\x 'a\\nb' \\x1b[2J"


@given(anything)
def test_any_name_is_harmless_in_a_cell(name: str) -> None:
    text = cell(name)
    assert text == text.strip() != ""
    assert 0 < width(text) <= LONGEST
    assert all(character == " " or unicodedata.category(character)[0] in "LNPS" for character in text)


@given(anything, anything)
def test_no_two_names_become_one(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)
    assert (valid(one) == valid(other)) == (one == other)


@given(anything)
def test_any_name_is_one_that_json_and_utf8_can_hold(name: str) -> None:
    assert json.loads(json.dumps(valid(name))).encode().decode() == valid(name)
    if max(name, default="") < "\ud800" and "\\" not in name:
        assert valid(name) == name
