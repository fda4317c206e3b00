"""The syntax of xl's configurations (xl.cfg(5)): NAME = VALUE, where a value is a number, a string or a list of values.

It resembles Python, and xm evaluated it as such; xl does not, and neither does this module.
"""

import re
from typing import NoReturn

from vmiostat.errors import TopologyError

Value = str | list["Value"]
"""A number stays a string."""

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f\v]+ | \#[^\n]* | \\\n)
  | (?P<end>[\n;])
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>0[xX][0-9A-Fa-f]+ | [0-9]+)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*" | '(?:[^'\\\n]|\\[^\n])*')
  | (?P<sign>\+?= | [\[\],])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|[0-7]{3}|.)", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MAX_DEPTH = 8
"""Of nested lists. xl itself uses one."""


def settings(text: str, path: str) -> dict[str, Value]:
    """The value of each name; `+=` appends to it. Raises TopologyError with the line.

    >>> settings('name = "web1"; disk = [ "/dev/vg/a,raw,xvda,w", ]  # the system', "web1.cfg")
    {'name': 'web1', 'disk': ['/dev/vg/a,raw,xvda,w']}
    """
    return _Reader(text, path).settings()


class _Reader:
    def __init__(self, text: str, path: str) -> None:
        self._text, self._path, self._at = text, path, 0
        self._kind, self._token = "", ""
        self._next()

    def settings(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while self._kind:
            if self._kind == "end":
                self._next()
                continue
            name = self._take("name")
            operator = self._take("sign", "=", "+=")
            value = self._value()
            if operator == "+=" and name in found:
                value = self._sum(found[name], value)
            found[name] = value
            if self._kind:
                self._take("end")
        return found

    def _value(self, depth: int = 0) -> Value:
        if self._kind == "sign" and self._token == "[":
            return self._list(depth)
        if self._kind == "number":
            return self._take("number")
        return _unescaped(self._take("string"))

    def _list(self, depth: int) -> Value:
        if depth == _MAX_DEPTH:
            self._refuse("lists are nested too deeply")
        self._take("sign", "[")
        values: list[Value] = []
        self._skip_ends()
        while self._token != "]" or self._kind != "sign":
            values.append(self._value(depth + 1))
            self._skip_ends()
            if self._token != "]" or self._kind != "sign":
                self._take("sign", ",")
                self._skip_ends()
        self._next()
        return values

    def _sum(self, first: Value, second: Value) -> Value:
        if isinstance(first, str) and isinstance(second, str):
            return first + second
        if not isinstance(first, list) or not isinstance(second, list):
            self._refuse("+= of a list and something else")
        return first + second

    def _take(self, kind: str, *expected: str) -> str:
        token = self._token
        if self._kind != kind or (expected and token not in expected):
            # A string may be a disk's source, with credentials.
            found = "a string" if self._kind == "string" else repr(token[:40])
            self._refuse(f"{found} instead of {' or '.join(expected) or f'a {kind}'}")
        self._next()
        return token

    def _skip_ends(self) -> None:
        while self._kind == "end" and self._token == "\n":
            self._next()

    def _next(self) -> None:
        """Reads the next token; its kind is "" at the end of the text."""
        while True:
            if self._at == len(self._text):
                self._kind, self._token = "", ""
                return
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                self._token = self._text[self._at]
                self._refuse(f"{self._token!r} is neither a name nor a value")
            self._at = match.end()
            if match.lastgroup != "blank":
                self._kind, self._token = match.lastgroup or "", match[0]
                return

    def _refuse(self, what: str) -> NoReturn:
        line = self._text.count("\n", 0, max(0, self._at - len(self._token))) + 1
        raise TopologyError(f"this is not a configuration of xl: {what}", self._path, line)


def _unescaped(quoted: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], "") or _character(match[1]), quoted[1:-1])


def _character(escape: str) -> str:
    if len(escape) == 3:
        return chr(int(escape[1:], 16) if escape[0] == "x" else int(escape, 8))
    return escape
