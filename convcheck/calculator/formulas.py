"""Shapes with names in place of numbers: `b,3,H,W`, `b,3,16*h,W`, or `b,3,H=16*h,W`."""

from __future__ import annotations

import ast
import re
from typing import cast

from convcheck.errors import ShapeError, shown
from convcheck.layers.text.notation import syntax_tree
from convcheck.sizes.lengths import Length, name
from convcheck.sizes.limits import MAX_FORMULA_DEPTH, MAX_FORMULA_TEXT, MAX_INT64, MAX_SHORT_TEXT
from convcheck.sizes.patterns import Shape

_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.+)", re.ASCII)

# `b 3 H W`; within a formula, blanks part nothing.
_BLANKS = re.compile(r"\s*\w+(\s+\w+)+\s*", re.ASCII)

Value = int | Length


def has_names(text: str) -> bool:
    """Tell whether a shape as text has names in it; the `x` of `3x224x224` is none, nor is `torch.Size`."""
    if len(text) > MAX_SHORT_TEXT:
        # It is refused either way, and looking closer would take memory.
        return bool(re.search(r"[A-Za-z_]", text))
    return bool(re.search(r"[A-Za-z_]", re.sub(r"(?<=\d)\s*x\s*(?=\d)|(torch\.)?Size(?=\()", ",", text)))


def parse_formulas(text: str) -> Shape:
    """Read a shape whose lengths are numbers, names, or sums, products and whole quotients of them.

    `H=16*h` stands for `16*h`, and for H wherever else it is used.

    Raises:
        ShapeError: it cannot be read, a length may be below 1, or two say what one name is.
    """
    if len(text) > MAX_FORMULA_TEXT:
        raise ShapeError(f"{shown(text)} is too long for a shape")
    bracketed = re.fullmatch(r"\s*(?:\[(.*)\]|\(([^()]*)\))\s*", text)
    inner = (bracketed[1] or bracketed[2]) if bracketed else text
    words = inner.split() if _BLANKS.fullmatch(inner) else [word.strip() for word in inner.split(",")]
    known: dict[str, Value] = {}
    bare: list[str] = []
    for word in words:
        named = _NAMED.fullmatch(word)
        if named is None:
            bare.append(word)
            continue
        if named[1] in known:
            raise ShapeError(f"{shown(text)} says twice what {named[1]} is")
        known[named[1]] = _read(named[2], text, known)
        bare.append(named[1])
    # The same type as numbers have, since formulas go through the code that numbers go through.
    return cast("Shape", tuple(_read(word, text, known) for word in bare))


def _read(word: str, whole: str, known: dict[str, Value]) -> Value:
    try:
        tree = syntax_tree(word, "eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ShapeError(f"{shown(word)} in {shown(whole)} is no length; {_LEGAL}") from None
    value = _value(tree, word, known, MAX_FORMULA_DEPTH)
    if isinstance(value, int) and not 1 <= value <= MAX_INT64:
        raise ShapeError(f"{shown(word)} in {shown(whole)} is {value}; lengths are between 1 and {MAX_INT64}")
    return value


_LEGAL = "write a number, a name, or a formula such as 16*h or H + 1"


def _value(node: ast.expr, word: str, known: dict[str, Value], deep: int) -> Value:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool) and number <= MAX_INT64:
            return number
        case ast.Name(id=text):
            return known.get(text, name(text))
        case ast.BinOp(left=left, op=operator, right=right) if deep:
            first, second = (_value(side, word, known, deep - 1) for side in (left, right))
            match operator:
                case ast.Add():
                    return first + second
                case ast.Sub():
                    return first - second
                case ast.Mult():
                    return first * second
                case ast.FloorDiv() if isinstance(second, int) and second > 0:
                    return first // second
    raise ShapeError(f"{shown(word)} is no length; {_LEGAL}")
