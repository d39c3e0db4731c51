"""Reads where a parameter of a candidate comes from; the notation is that of `convcheck.config.sources`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

from convcheck.config.sources import Added, Constant, Joined, Operand, Product, Scaled, Source
from convcheck.errors import PatternError, shown
from convcheck.sizes.limits import MAX_DEPTH, MAX_TEXT
from convcheck.sizes.patterns import Group
from convcheck.sizes.relayouts import Relayout, parse_relayout

_NAME = re.compile(r"""[^\s\[\]();:,+*|'"]+""")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_EQUATION = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_AXIS = re.compile(r"[A-Za-z_]\w*")

T = TypeVar("T")


def parse_source(text: object) -> Source:
    """Read where a parameter comes from: `bias`, or `weight: o i kh kw -> o (kh kw i)` and steps behind it.

    What YAML makes of `0` and of `[q.weight; k.weight]` means the same as the text.

    Raises:
        PatternError: it is no text, or none of what `convcheck.config.sources` lists.
    """
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = f"[{'; '.join(text)}]"
    if isinstance(text, int) and not isinstance(text, bool) and text in (0, 1):
        text = str(text)
    if not isinstance(text, str):
        raise PatternError(f"{shown(text)} is no text; write 'weight: o i kh kw -> o (kh kw i)', or 'bias' alone")
    if len(text) > MAX_TEXT:
        raise PatternError(f"{shown(text)} is a source of {len(text)} characters; {MAX_TEXT} at most are read")
    reader = _Reader(text)
    source = reader.source()
    if reader.rest and "->" in text and ":" not in text:
        raise reader.error(f"a pattern stands behind its parameter, as in 'weight: {shown(text)[1:-1]}'")
    if reader.rest:
        raise reader.error("nothing more can stand there")
    return source


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0

    @property
    def rest(self) -> str:
        self.place += len(self.text[self.place :]) - len(self.text[self.place :].lstrip())
        return self.text[self.place :]

    def error(self, problem: str) -> PatternError:
        where = f" at {shown(self.rest, 30)}" if self.rest else " at its end"
        return PatternError(f"{shown(self.text)}:{where}: {problem}")

    def found(self, sign: str) -> bool:
        """Step over a sign if it is next."""
        if not self.rest.startswith(sign):
            return False
        self.place += len(sign)
        return True

    def expect(self, sign: str) -> None:
        if not self.found(sign):
            raise self.error(f"there must be {sign!r}")

    def match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        rest = self.rest
        match = pattern.match(rest)
        if match is None:
            raise self.error(f"there must be {what}")
        self.place += match.end()
        return match

    def source(self) -> Source:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"brackets stand more than {MAX_DEPTH} deep")
        terms = self.several(self.term, "+")
        operand = terms[0] if len(terms) == 1 else Added(tuple(terms))
        relayout = self.relayout() if self.found(":") else None
        self.depth -= 1
        if relayout is None and isinstance(operand, Source):
            return operand
        return Source(operand, relayout)

    def several(self, read: Callable[[], T], sign: str) -> list[T]:
        items = [read()]
        while self.found(sign):
            items.append(read())
        return items

    def term(self) -> Operand:
        operand = self.operand()
        if not self.found("*"):
            return operand
        written = self.match(_NUMBER, "a number").group()
        factor = float(written)
        if not factor or not math.isfinite(factor):
            raise PatternError(f"{shown(self.text)}: {written} is no factor; '0' alone is a tensor of zeros")
        return Scaled(operand, factor)

    def operand(self) -> Operand:
        if self.found("["):
            parts = self.several(self.source, ";")
            self.expect("]")
            return Joined(tuple(parts))
        if self.found("("):
            source = self.source()
            self.expect(")")
            # Parentheses around what stands for itself say nothing.
            return source.operand if source.relayout is None else source
        name = self.match(_NAME, "a parameter's name, 0, 1, [..; ..] or einsum('..', ..)").group()
        if name == "einsum" and self.found("("):
            return self.product()
        return Constant(int(name)) if name in ("0", "1") else name

    def product(self) -> Product:
        match = self.match(_EQUATION, "an equation, such as 'o m, m i -> o i'")
        equation = match[1] or match[2] or ""
        self.expect(",")
        operands = self.several(self.operand, ",")
        self.expect(")")
        left, arrow, right = equation.partition("->")
        axes, target = tuple(map(_axes, left.split(","))), _axes(right)
        names = {axis for group in axes for axis in group}
        if not arrow or not all(map(_AXIS.fullmatch, names | set(target))):
            raise PatternError(f"{shown(equation)} is no equation; write names of axes, as in 'o m, m i -> o i'")
        if not set(target) <= names or len(set(target)) < len(target):
            raise PatternError(f"{shown(equation)}: every axis on the right must stand on the left, and once only")
        if len(axes) != len(operands):
            raise PatternError(f"{shown(equation)} is of {len(axes)} tensors, and there are {len(operands)}")
        return Product(axes, target, tuple(operands))

    def relayout(self) -> Relayout:
        """Read up to the end, or the sign that ends what a pattern stands in."""
        start = end = self.place
        depth = 0
        while end < len(self.text):
            sign = self.text[end]
            if sign in ";]" or (sign == ")" and not depth):
                break
            depth += (sign == "(") - (sign == ")")
            end += 1
        self.place = end
        return parse_relayout(self.text[start:end].strip())


def _axes(text: str) -> Group:
    return tuple(text.split())
