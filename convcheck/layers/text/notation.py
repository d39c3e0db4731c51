"""How layers are written: torch's own printed form, and short labels. Shared by the kinds of layers."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convcheck.sizes.patterns import SPACE_AXES


def syntax_tree(source: str, mode: str) -> Any:
    """Read Python without running any, and without Python's remarks on it, which would stand beside our own errors.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is no Python, or too much of it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode=mode)


def compact(kind: str, leading: Sequence[object], named: Mapping[str, tuple[object, object]]) -> str:
    """Write a layer as torch does: leading arguments bare, the others by name unless they have their usual value.

    `named` maps an argument to (value, value at which torch leaves it out; None if torch always prints it).
    Strings go without quotes, as in `padding=same`.
    """
    words = [str(value) for value in leading]
    words += [f"{name}={value}" for name, (value, usual) in named.items() if usual is None or value != usual]
    return f"{kind}({', '.join(words)})"


def label(parts: Sequence[object]) -> str:
    """Join a kind, its numbers and (prefix, value, value to leave out) triples to `conv2d-3-768-k16-s16`."""
    words = []
    for part in parts:
        if not isinstance(part, tuple):
            words.append(str(part).lower())
            continue
        prefix, value, usual = part
        if value == usual:
            continue
        if isinstance(value, tuple):
            same = len(set(value)) == 1
            value = value[0] if same else "x".join(str(entry) for entry in value)
        words.append(f"{prefix}{value}")
    return "-".join(words)


def indivisible(in_channels: int, out_channels: int, groups: int) -> Iterator[tuple[str, str]]:
    """Yield a fault if `groups` does not divide both channel numbers."""
    common = math.gcd(in_channels, out_channels)
    if common % groups == 0:
        return
    wrong = " and ".join(
        f"{name}, which is {channels}"
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels))
        if channels % groups
    )
    yield "groups", f"groups is {groups} and must divide {wrong}; what divides both is {divisors(common)}"


def divisors(number: int) -> str:
    """List what divides a number, the first few and the number itself."""
    legal = [g for g in range(1, min(number, 10_000) + 1) if number % g == 0]
    few = legal if len(legal) <= 12 else legal[:11]
    return ", ".join(map(str, few)) + (f", ... {number}" if few[-1] != number else "")


def axis_formulas(formulas: Sequence[str], lengths: Sequence[int]) -> Iterator[str]:
    """Yield `axis: formula = length` for each of the spatial axes, `lengths` being those of the last ones."""
    dims = len(formulas)
    for axis, formula, length in zip(SPACE_AXES[dims], formulas, lengths[-dims:], strict=True):
        yield f"{axis}: {formula} = {length}"
