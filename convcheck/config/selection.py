"""Choosing cases by name, with the expressions of pytest's `-k`: words joined by and, or, not and parentheses.

Beyond pytest, a name in double quotes (a JSON string) stands for the case of exactly this name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NoReturn

from convcheck.errors import UsageError, shown
from convcheck.sizes.limits import MAX_DEPTH

# pytest's own alphabet for a word of an expression.
_TOKEN = re.compile(r'(?P<token>[()]|[\w:+\-.\[\]{}\\/,=]+|"(?:[^"\\]|\\.)*")|\S')

Matcher = Callable[[str], bool]


def matcher(expression: str) -> Matcher:
    """Return a predicate on names such as `case[rewrite]`.

    A word matches where it is part of the name, whatever the case; a quoted name matches the whole of `case`.

    Raises:
        UsageError: the expression cannot be read; with the place.
    """
    return _Parser(expression).whole()


def quoted(name: str) -> str:
    """Return the expression that selects the case of exactly this name."""
    return json.dumps(name, ensure_ascii=False)


class _Parser:
    """Recursive descent over `or`, `and`, `not`, in rising order of strength."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        self.read = self.depth = 0
        """How many tokens were read, and how many parentheses and `not` are around the next one."""
        for match in _TOKEN.finditer(text):
            if match["token"] is None:
                self.fail(f"unexpected {match.group()!r}", match.start())
            self.tokens.append((match.group(), match.start()))

    def whole(self) -> Matcher:
        either = self.either()
        if self.peek() is not None:
            self.fail(f"'and' or 'or' is missing before {self.peek()!r}", self.place())
        return either

    def either(self) -> Matcher:
        parts = [self.both()]
        while self.peek() == "or":
            self.read += 1
            parts.append(self.both())
        return lambda name: any(part(name) for part in parts)

    def both(self) -> Matcher:
        parts = [self.single()]
        while self.peek() == "and":
            self.read += 1
            parts.append(self.single())
        return lambda name: all(part(name) for part in parts)

    def single(self) -> Matcher:
        token, place = self.peek(), self.place()
        if token is None:
            self.fail("a name is missing at the end", place)
        if token in (")", "and", "or"):
            self.fail(f"a name is missing before {token!r}", place)
        self.read += 1
        if token in ("not", "("):
            return self.nested(token, place)
        if token.startswith('"'):
            return self.exactly(token, place)
        word = token.lower()
        return lambda name: word in name.lower()

    def nested(self, opening: str, place: int) -> Matcher:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep", place)
        inner = self.single() if opening == "not" else self.either()
        self.depth -= 1
        if opening == "not":
            return lambda name: not inner(name)
        if self.peek() != ")":
            self.fail("')' is missing", self.place())
        self.read += 1
        return inner

    def exactly(self, token: str, place: int) -> Matcher:
        try:
            case = json.loads(token, strict=False)
        except ValueError:
            self.fail(f"{token} is no quoted name", place)
        # A case's own name may end in brackets, and that of a rewrite has none.
        return lambda name: case in (name, name.rpartition("[")[0])

    def peek(self) -> str | None:
        return self.tokens[self.read][0] if self.read < len(self.tokens) else None

    def place(self) -> int:
        return self.tokens[self.read][1] if self.read < len(self.tokens) else len(self.text)

    def fail(self, what: str, place: int) -> NoReturn:
        raise UsageError(
            f"-k {shown(self.text)}: {what} at column {place + 1}; write for example 'down and not (bf16 or up)'"
        )
