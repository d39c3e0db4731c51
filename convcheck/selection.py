"""Choosing cases by name, with the expressions of pytest's `-k`: words joined by and, or, not and parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from convcheck.errors import UsageError

# pytest's own alphabet for a word of an expression.
_TOKEN = re.compile(r"\s*(?:(?P<paren>[()])|(?P<word>[\w:+\-.\[\]{}\\/,=]+)|(?P<other>\S))")

Matcher = Callable[[str], bool]


def matcher(expression: str) -> Matcher:
    """Return a predicate on names: a word matches where it is part of the name, whatever the case.

    Raises:
        UsageError: the expression cannot be read; with the place.
    """
    parser = _Parser(expression)
    found = parser.either()
    parser.end()
    return lambda name: found(name.lower())


class _Parser:
    """Recursive descent over `or`, `and`, `not`, in rising order of strength."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [(m.group().strip(), m.start()) for m in _TOKEN.finditer(text) if m.group().strip()]
        self.at = 0
        for match in _TOKEN.finditer(text):
            if match["other"]:
                self.fail(f"unexpected {match['other']!r}", match.start("other"))
        if len(self.tokens) > 500:
            self.fail("an expression of more than 500 words", 0)

    def peek(self) -> str | None:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def either(self) -> Matcher:
        left = self.both()
        while self.peek() == "or":
            self.at += 1
            left = self._join(any, left, self.both())
        return left

    def both(self) -> Matcher:
        left = self.single()
        while self.peek() == "and":
            self.at += 1
            left = self._join(all, left, self.single())
        return left

    def single(self) -> Matcher:
        token = self.peek()
        if token is None:
            self.fail("a name is missing at the end", len(self.text))
        self.at += 1
        if token == "not":
            inner = self.single()
            return lambda name: not inner(name)
        if token == "(":
            inner = self.either()
            if self.peek() != ")":
                self.fail("')' is missing", self.place())
            self.at += 1
            return inner
        if token in (")", "and", "or"):
            self.fail(f"a name is missing before {token!r}", self.tokens[self.at - 1][1])
        word = token.lower()
        return lambda name: word in name

    def end(self) -> None:
        if self.peek() is not None:
            self.fail(f"'and' or 'or' is missing before {self.peek()!r}", self.place())

    def place(self) -> int:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)

    def fail(self, what: str, at: int) -> NoReturn:
        raise UsageError(f"-k {self.text!r}: {what} at column {at + 1}; write for example 'down and not (bf16 or up)'")

    @staticmethod
    def _join(how: Callable[[list[bool]], bool], left: Matcher, right: Matcher) -> Matcher:
        return lambda name: how([left(name), right(name)])
