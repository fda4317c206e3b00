"""Makes names of domains and devices safe to print: guests and their owners choose them.

A name can hold line ends, quotes, terminal escape sequences, marks that change the writing direction or combine with
the character before them, and bytes that are not UTF-8 (lone surrogates in Python).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate

LONGEST = 48
"""Columns of the longest name in a table. A definition may have a longer one, which must not widen every row."""
_DIGITS = 8
"""Of the hash in a name that is cut."""
_CELLS = 1 << 14
"""Names whose cells are remembered: names come and go without end."""

_JOINS_OR_BLANK = re.compile("[\u115f-\u11ff\ud7b0-\ud7fb\u2800\u3164\uffa0]")
"""Hangul fillers, the vowels and final consonants that join the letter before them, and Braille without a dot: for
Unicode they are letters and symbols. https://www.unicode.org/Public/UCD/latest/ucd/HangulSyllableType.txt"""


class _Escapes(dict[int, str]):
    """For str.translate: the text of each character, filled in when a character is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
            text = f"\\x{code - 0xDC00:02x}"
        elif code < 0x80:
            text = character if character.isprintable() else f"\\x{code:02x}"
        # Letters, numbers, punctuation, symbols. The rest controls, combines, separates, or is unassigned.
        elif unicodedata.category(character)[0] in "LNPS" and not _JOINS_OR_BLANK.match(character):
            text = character
        else:
            text = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        self[code] = text
        return text


_SHORT = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
_CUT = "…"
_LINE = _Escapes(_SHORT)
_NAME = _Escapes(_SHORT | {ord("\\"): "\\\\"})
_CELL = _Escapes(_SHORT | {ord("\\"): "\\\\", ord('"'): '\\"', ord(_CUT): "\\u2026"})
"""With the mark of a cut, so that no name looks like what is left of another one."""


def one_line(text: str) -> str:
    """A message, which may quote names and paths, as one line that is safe in a terminal.

    >>> print(one_line("domain 'a\\x1b[2J\\nb'"))
    domain 'a\\x1b[2J\\nb'
    """
    return text.translate(_LINE)


def escaped(name: str) -> str:
    """A name with all but visible characters escaped: two different names stay different.

    >>> print(escaped("tab\\there, back\\\\slash, byte\\udcff, e\\u0301"))
    tab\\there, back\\\\slash, byte\\xff, e\\u0301
    """
    return name.translate(_NAME)


def valid(name: str) -> str:
    """A name as Unicode that every JSON parser takes: two different names stay different.

    Bytes that are not UTF-8 become `\\xNN`, and a backslash is doubled; the rest stays.

    >>> print(valid("web\\udcff"), valid("web\\\\xff"))
    web\\xff web\\\\xff
    """
    return "".join(_NAME[ord(c)] if c == "\\" or "\ud800" <= c <= "\udfff" else c for c in name)


@lru_cache(_CELLS)
def cell(name: str, longest: int = LONGEST) -> str:
    """A name in a table: escaped, quotes too; never empty; where it is too long, digits of its hash replace the middle.

    >>> print(cell('say "hi"'), cell(" web1"), cell(""))
    say \\"hi\\" \\x20web1 ""
    """
    parts = [_CELL[ord(character)] for character in name]
    for end in (0, -1):
        if parts and parts[end] == " ":
            parts[end] = "\\x20"
    if sum(map(width, parts)) > longest:
        from hashlib import sha256  # only for long names: it costs a start some milliseconds

        middle = f"{_CUT}{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}{_CUT}"
        half = (longest - len(middle)) // 2
        parts = [*_within(parts, half), middle, *_within(parts[::-1], half)[::-1]]
    return "".join(parts) or '""'


def width(text: str) -> int:
    """Columns that an escaped text takes in a terminal, where East Asian wide letters take two.

    >>> width("web1"), width("数据库")
    (4, 6)
    """
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _within(parts: list[str], columns: int) -> list[str]:
    taken = accumulate(map(width, parts))
    return [part for part, end in zip(parts, taken, strict=True) if end <= columns]
