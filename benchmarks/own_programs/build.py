"""Short names for terms, as laws are written with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from benchmarks.own_programs.terms import Term, term


def add(left: Term, right: Term) -> Term:
    """Return a sum."""
    return term("add", (left, right))


def sub(left: Term, right: Term) -> Term:
    """Return a difference."""
    return term("sub", (left, right))


def mul(left: Term, right: Term) -> Term:
    """Return a product, entry by entry."""
    return term("mul", (left, right))


def neg(value: Term) -> Term:
    """Return the negative."""
    return term("neg", (value,))


def scale(value: Term, factor: int | Fraction) -> Term:
    """Return a multiple."""
    return term("scale", (value,), Fraction(factor))


def matmul(left: Term, right: Term) -> Term:
    """Return a product of matrices."""
    return term("matmul", (left, right))


def permute(value: Term, axes: Sequence[int]) -> Term:
    """Return another order of axes."""
    return term("permute", (value,), tuple(axes))


def swap(value: Term, one: int = -1, two: int = -2) -> Term:
    """Return two axes exchanged."""
    axes = list(range(len(value.shape)))
    axes[one], axes[two] = axes[two], axes[one]
    return permute(value, axes)


def reshape(value: Term, shape: Sequence[int]) -> Term:
    """Return another shape."""
    return term("reshape", (value,), tuple(shape))


def expand(value: Term, shape: Sequence[int]) -> Term:
    """Return axes of length 1 repeated."""
    return term("expand", (value,), tuple(shape))


def cut(value: Term, axis: int, start: int, stop: int, step: int = 1) -> Term:
    """Return a slice."""
    return term("slice", (value,), axis, start, stop, step)


def select(value: Term, axis: int, index: int) -> Term:
    """Return one entry of an axis, which is left out."""
    return term("select", (value,), axis, index)


def flip(value: Term, axes: Sequence[int]) -> Term:
    """Return the entries backwards."""
    return term("flip", (value,), tuple(axes))


def pad(value: Term, axis: int, before: int, after: int) -> Term:
    """Return zeros around."""
    return term("pad", (value,), axis, before, after, "constant", 0)


def cat(parts: Sequence[Term], axis: int) -> Term:
    """Return parts one behind the other."""
    return parts[0] if len(parts) == 1 else term("cat", parts, axis)


def stack(parts: Sequence[Term], axis: int) -> Term:
    """Return parts along a new axis."""
    return term("stack", parts, axis)


def einsum(formula: str, *operands: Term) -> Term:
    """Return a sum of products."""
    return term("einsum", operands, formula)


def total(value: Term, axes: Sequence[int], keep: bool = False) -> Term:
    """Return a sum over axes."""
    return term("sum", (value,), tuple(axes), keep)


def sum_of(parts: Sequence[Term]) -> Term:
    """Return a sum of one term or more."""
    result = parts[0]
    for part in parts[1:]:
        result = add(result, part)
    return result


def conv(value: Term, weight: Term, bias: Sequence[Term], options: Sequence[int]) -> Term:
    """Return a convolution; options are stride, padding, dilation and groups."""
    return term("conv", (value, weight, *bias), *options)


def linear(value: Term, weight: Term, bias: Sequence[Term] = ()) -> Term:
    """Return a matrix applied to the last axis."""
    return term("linear", (value, weight, *bias))
