"""Choosing cases by name, with the expressions of pytest's `-k`: words joined by and, or, not and parentheses.

Beyond pytest, a name in double quotes (a JSON string) stands for the case of exactly this name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NoReturn

from convcheck.errors import UsageError, shown

# pytest's own alphabet for a word of an expression.
_TOKEN = re.compile(r'[()]|[\w:+\-.\[\]{}\\/,=]+|"(?:[^"\\]|\\.)*"')

DEEPEST = 50
"""Levels of parentheses and `not`; nobody nests as deep, and Python's stack stays far away."""

LONGEST = 5000
"""Characters of an expression."""

Matcher = Callable[[str], bool]


def matcher(expression: str) -> Matcher:
    """Return a predicate on names such as `case[rewrite]`.

    A word matches where it is part of the name, whatever the case; a quoted name matches the whole of `case`.

    Raises:
        UsageError: the expression cannot be read; with the place.
    """
    parser = _Parser(expression)
    found = parser.either()
    parser.end()
    return found


def quoted(name: str) -> str:
    """Return the expression that selects the case of exactly this name."""
    return json.dumps(name)


class _Parser:
    """Recursive descent over `or`, `and`, `not`, in rising order of strength."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        self.at = self.depth = 0
        place = 0
        if len(text) > LONGEST:
            self.fail(f"an expression of more than {LONGEST} characters", LONGEST)
        while rest := text[place:].lstrip():
            place = len(text) - len(rest)
            match = _TOKEN.match(text, place)
            if match is None:
                self.fail(f"unexpected {text[place]!r}", place)
            self.tokens.append((match.group(), place))
            place = match.end()
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
        if token in ("not", "("):
            return self.nested(token)
        if token in (")", "and", "or"):
            self.fail(f"a name is missing before {token!r}", self.tokens[self.at - 1][1])
        if token.startswith('"'):
            return self.exactly(token)
        word = token.lower()
        return lambda name: word in name.lower()

    def nested(self, opening: str) -> Matcher:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"nested more than {DEEPEST} deep", self.tokens[self.at - 1][1])
        inner = self.single() if opening == "not" else self.either()
        self.depth -= 1
        if opening == "not":
            return lambda name: not inner(name)
        if self.peek() != ")":
            self.fail("')' is missing", self.place())
        self.at += 1
        return inner

    def exactly(self, token: str) -> Matcher:
        try:
            case = json.loads(token, strict=False)
        except ValueError:
            self.fail(f"{token} is no quoted name", self.tokens[self.at - 1][1])
        # A case's own name may end in brackets, and that of a rewrite has none.
        return lambda name: case in (name, name.rpartition("[")[0])

    def end(self) -> None:
        if self.peek() is not None:
            self.fail(f"'and' or 'or' is missing before {self.peek()!r}", self.place())

    def place(self) -> int:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)

    def fail(self, what: str, at: int) -> NoReturn:
        raise UsageError(
            f"-k {shown(self.text)}: {what} at column {at + 1}; write for example 'down and not (bf16 or up)'"
        )

    @staticmethod
    def _join(how: Callable[[list[bool]], bool], left: Matcher, right: Matcher) -> Matcher:
        return lambda name: how([left(name), right(name)])
