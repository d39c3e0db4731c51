"""Laws of sums, differences and products, and of linear operators on them."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np

from benchmarks.own_programs.build import add, expand, mul, neg, scale, sub, sum_of
from benchmarks.own_programs.terms import Term, constant, needs, term

MOVES = ("permute", "reshape", "slice", "chunk", "select", "flip", "roll", "repeat", "interleave", "windows", "expand",
         "pixel_shuffle", "pixel_unshuffle")  # fmt: skip
"""Operators whose every result is one of the entries."""
LINEAR = (*MOVES, "sum", "mean", "cumsum", "tril", "avg_pool", "im2col")
"""Operators with one operand that are linear in it."""
BILINEAR = ("matmul", "linear", "conv")
"""Operators that are linear in their first operand, if they have two."""
ENTRYWISE = ("relu", "gelu")


def is_linear(one: Term) -> bool:
    """Tell whether an operator is linear in its first operand, the others being given."""
    padded = one.operator == "pad" and one.options[-1] == 0
    return one.operator in LINEAR or padded or (one.operator in BILINEAR and len(one.arguments) == 2)


def on(one: Term, operand: Term) -> Term:
    """Apply an operator to another first operand."""
    return term(one.operator, (operand, *one.arguments[1:]), *one.options)


def commute(one: Term, _: Random) -> Term:
    """A + b = b + a, a b = b a."""
    left, right = one.arguments
    return term(one.operator, (right, left))


def associate(one: Term, _: Random) -> Term:
    """(a + b) + c = a + (b + c), (a b) c = a (b c)."""
    left, right = one.arguments
    if left.operator == one.operator:
        first, second = left.arguments
        return term(one.operator, (first, term(one.operator, (second, right))))
    needs(right.operator == one.operator)
    first, second = right.arguments
    return term(one.operator, (term(one.operator, (left, first)), second))


def distribute(one: Term, random: Random) -> Term:
    """A (b + c) = a b + a c, and the like for a difference or a multiple."""
    left, right = random.sample(one.arguments, 2)
    if right.operator in ("neg", "scale"):
        return term(right.operator, (mul(left, right.arguments[0]),), *right.options)
    needs(right.operator in ("add", "sub"))
    return term(right.operator, [mul(left, part) for part in right.arguments])


def factor(one: Term, _: Random) -> Term:
    """L(a) + L(b) = L(a + b), and a b + a c = a (b + c)."""
    left, right = one.arguments
    needs(left.operator == right.operator and left.options == right.options and not left.is_leaf)
    if left.operator == "mul":
        shared = [part for part in left.arguments if any(part is other for other in right.arguments)]
        needs(bool(shared))
        rest = [next((part for part in side.arguments if part is not shared[0]), shared[0]) for side in (left, right)]
        return mul(shared[0], term(one.operator, rest))
    needs(is_linear(left) and all(a is b for a, b in zip(left.arguments[1:], right.arguments[1:], strict=True)))
    return on(left, term(one.operator, (left.arguments[0], right.arguments[0])))


def through(one: Term, _: Random) -> Term:
    """L(a + b) = L(a) + L(b), L(c a) = c L(a), and moves of entries go through whatever is done by entry."""
    needs(is_linear(one))
    inner = one.arguments[0]
    allowed = ("add", "sub", "neg", "scale") + (("mul", "shift", *ENTRYWISE) if one.operator in MOVES else ())
    needs(inner.operator in allowed)
    # What is broadcast has another shape, and is spread first.
    parts = [part if part.shape == inner.shape else expand(part, inner.shape) for part in inner.arguments]
    return term(inner.operator, [on(one, part) for part in parts], *inner.options)


def out_of(one: Term, _: Random) -> Term:
    """C L(a) = L(c a), f(M(a)) = M(f(a)) for moves of entries."""
    inner = one.arguments[0]
    needs(inner.operator in MOVES or (one.operator in ("neg", "scale") and is_linear(inner)))
    return on(inner, term(one.operator, inner.arguments[:1], *one.options))


def subtract(one: Term, random: Random) -> Term:
    """A - b = a + (-b) = -(b - a)."""
    left, right = one.arguments
    return random.choice(
        (lambda: add(left, neg(right)), lambda: neg(sub(right, left)), lambda: add(neg(right), left))
    )()


def opposite(one: Term, random: Random) -> Term:
    """A + b = a - (-b)."""
    left, right = random.sample(one.arguments, 2)
    return sub(left, neg(right))


def negate(one: Term, random: Random) -> Term:
    """-a = (-1) a = 0 - a."""
    zero = constant(np.zeros((1,) * max(1, len(one.shape))))
    return scale(one.arguments[0], -1) if random.random() < 0.6 else sub(zero, one.arguments[0])


def split_factor(one: Term, random: Random) -> Term:
    """(c d) a = c (d a) = c a + (d - c) a."""
    (factor,), value = one.options, one.arguments[0]
    if factor.denominator == 1 and 2 <= factor <= 4 and random.random() < 0.5:
        return sum_of([value] * int(factor))
    part = Fraction(random.choice((2, -1, 4, -2)))
    if random.random() < 0.5:
        return scale(scale(value, part), factor / part)
    return add(scale(value, part), scale(value, factor - part))


def merge_factors(one: Term, _: Random) -> Term:
    """C (d a) = (c d) a."""
    inner = one.arguments[0]
    needs(inner.operator in ("scale", "neg"))
    return scale(inner.arguments[0], one.options[0] * (inner.options[0] if inner.options else -1))


def constant_sum(one: Term, _: Random) -> Term:
    """A + c with c as a tensor."""
    return add(one.arguments[0], constant(np.full((1,) * max(1, len(one.shape)), one.options[0])))


def shifted(one: Term, random: Random) -> Term:
    """A + c = (a + d) + (c - d)."""
    part = random.randint(-2, 3)
    return term("shift", (term("shift", one.arguments, part),), one.options[0] - part)


def double_negation(one: Term, random: Random) -> Term:
    """A = -(-a) = 2 a - a = (a + a) / 2."""
    ways = (
        lambda: neg(neg(one)),
        lambda: sub(scale(one, 2), one),
        lambda: scale(add(one, one), Fraction(1, 2)),
        lambda: scale(scale(one, 4), Fraction(1, 4)),
    )
    return random.choice(ways)()


def there_and_back(one: Term, random: Random) -> Term:
    """A = (a + c) - c."""
    number = random.randint(1, 3)
    return term("shift", (term("shift", (one,), number),), -number)
