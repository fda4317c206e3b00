"""Names of domains and devices as text that can do no harm: guests and their owners choose them.

A name can hold line ends, quotes, a terminal's escape sequences, marks that turn the writing direction, marks that pile
up on their neighbour, and bytes that are no UTF-8 (Python holds those as lone surrogates).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import accumulate

LONGEST = 48
"""Columns that a name may take in a table. A definition may hold a name of any length; it must not widen every row."""


_JOINS_OR_BLANK = re.compile("[\u115f-\u11ff\ud7b0-\ud7fb\u2800\u3164\uffa0]")
"""Hangul's fillers and the vowels and ends that join the letter before them, and Braille without a dot: to Unicode they
are letters and symbols. https://www.unicode.org/Public/UCD/latest/ucd/HangulSyllableType.txt"""


class _Escapes(dict[int, str]):
    """For str.translate: what stands for each character. What is not named here is worked out when first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
            text = f"\\x{code - 0xDC00:02x}"
        elif code < 0x80:
            text = character if character.isprintable() else f"\\x{code:02x}"
        # Letters, numbers, punctuation, symbols. The rest steers, combines, separates, or is nothing at all.
        elif unicodedata.category(character)[0] in "LNPS" and not _JOINS_OR_BLANK.match(character):
            text = character
        else:
            text = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        self[code] = text
        return text


_SHORT = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
_LINE = _Escapes(_SHORT)
_NAME = _Escapes(_SHORT | {ord("\\"): "\\\\"})
_CELL = _Escapes(_SHORT | {ord("\\"): "\\\\", ord('"'): '\\"'})


def one_line(text: str) -> str:
    """A message, which may quote names and paths, as one line of a terminal.

    >>> print(one_line("domain 'a\\x1b[2J\\nb'"))
    domain 'a\\x1b[2J\\nb'
    """
    return text.translate(_LINE)


def escaped(name: str) -> str:
    """A name without anything that steers: no two names become the same.

    >>> print(escaped("tab\\there, back\\\\slash, byte\\udcff, e\\u0301"))
    tab\\there, back\\\\slash, byte\\xff, e\\u0301
    """
    return name.translate(_NAME)


def valid(name: str) -> str:
    """A name as Unicode that every JSON parser takes: bytes that were no UTF-8 become `\\xNN`, the rest is as it was.

    >>> print(valid("web\\udcff"))
    web\\xff
    """
    return "".join(_NAME[ord(c)] if "\ud800" <= c <= "\udfff" else c for c in name)


@cache
def cell(name: str) -> str:
    """A name for a table's cell: escaped, quotes too, never empty, its middle left out where it is too long.

    >>> print(cell('say "hi"'), cell(" web1"), cell(""))
    say \\"hi\\" \\x20web1 ""
    """
    parts = [_CELL[ord(character)] for character in name]
    for end in (0, -1):
        if parts and parts[end] == " ":
            parts[end] = "\\x20"
    if sum(map(width, parts)) > LONGEST:
        half = LONGEST // 2
        parts = [*_within(parts, half), "…", *_within(parts[::-1], LONGEST - half - 1)[::-1]]
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
