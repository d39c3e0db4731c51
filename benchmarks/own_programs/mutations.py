"""Mistakes in programs, as they are made: an order, an offset, a sign, a constant, a side, a part that is missing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random

import numpy as np

from benchmarks.own_programs.build import flip, mul, neg, permute, scale
from benchmarks.own_programs.terms import NoTermError, Term, constant, in_order, needs, replaced, term

Mistake = Callable[[Term, Random], Term]


def _options(one: Term, *options: object) -> Term:
    return term(one.operator, one.arguments, *options)


def _order_of_axes(one: Term, random: Random) -> Term:
    """Another order of axes that gives the same shape, or any other."""
    axes = one.options[0]
    first, second = random.sample(range(len(axes)), 2)
    other = list(axes)
    other[first], other[second] = other[second], other[first]
    return _options(one, tuple(other))


def _order_in_reshape(one: Term, random: Random) -> Term:
    """Axes exchanged before they are merged, or after one was split."""
    value = one.arguments[0]
    axes = list(range(len(value.shape)))
    first, second = random.sample(axes, 2)
    axes[first], axes[second] = axes[second], axes[first]
    return term("reshape", (permute(value, axes),), *one.options)


def _offset(one: Term, random: Random) -> Term:
    axis, start, stop, step = one.options
    move = random.choice((-1, 1))
    return _options(one, axis, start + move, stop + move, step)


def _index(one: Term, random: Random) -> Term:
    *rest, index = one.options
    return _options(one, *rest, index + random.choice((-1, 1)))


def _axis(one: Term, random: Random) -> Term:
    axes, *rest = one.options
    other = random.randrange(len(one.arguments[0].shape))
    return _options(one, (other,) if isinstance(axes, tuple) else other, *rest)


def _shift(one: Term, _: Random) -> Term:
    return _options(one, -one.options[0], *one.options[1:])


def _side(one: Term, random: Random) -> Term:
    axis, before, after, mode, value = one.options
    modes = [other for other in ("circular", "replicate", "reflect") if mode in ("circular", "replicate", "reflect")]
    if modes and random.random() < 0.5:
        return _options(one, axis, before, after, random.choice(modes), value)
    return _options(one, axis, after, before, mode, value)


def _factor(one: Term, random: Random) -> Term:
    factor = one.options[0]
    return _options(one, random.choice((factor + 1, -factor, factor * 2, factor + Fraction(1, 1024))))


def _number(one: Term, random: Random) -> Term:
    return _options(one, one.options[0] + random.choice((-1, 1)), *one.options[1:])


def _entry(one: Term, random: Random) -> Term:
    """One whole number is another one."""
    values = np.array(one.options[0])
    values.flat[random.randrange(values.size)] += random.choice((-1, 1, 2))
    return constant(values)


def _operands(one: Term, random: Random) -> Term:
    """Operands in another order."""
    needs(len(one.arguments) > 1)
    others = list(one.arguments)
    first, second = random.sample(range(len(others)), 2)
    others[first], others[second] = others[second], others[first]
    return term(one.operator, others, *one.options)


def _missing(one: Term, random: Random) -> Term:
    """One summand, or a bias, is left out."""
    needs(one.operator in ("add", "sub") or len(one.arguments) > 2)
    if one.operator in ("add", "sub"):
        part = random.choice([part for part in one.arguments if part.shape == one.shape] or [one])
        needs(part is not one)
        return part
    return term(one.operator, one.arguments[:2], *one.options)


def _transposed(one: Term, random: Random) -> Term:
    """A weight with two axes of the same length exchanged."""
    value, weight, *rest = one.arguments
    axes = list(range(len(weight.shape)))
    first, second = random.sample(axes, 2)
    axes[first], axes[second] = axes[second], axes[first]
    return term(one.operator, (value, permute(weight, axes), *rest), *one.options)


def _letters(one: Term, random: Random) -> Term:
    """Two letters of an operand, or of the result, exchanged."""
    sources, target = one.options[0].split("->")
    parts = [*sources.split(","), target]
    number = random.randrange(len(parts))
    letters = list(parts[number])
    needs(len(letters) > 1)
    first, second = random.sample(range(len(letters)), 2)
    letters[first], letters[second] = letters[second], letters[first]
    parts[number] = "".join(letters)
    return _options(one, f"{','.join(parts[:-1])}->{parts[-1]}")


def _conv_option(one: Term, random: Random) -> Term:
    options = list(one.options)
    place = random.choice((0, 1, 2))
    options[place] = {0: 3 - options[0], 1: 1 - options[1], 2: 3 - options[2]}[place]
    return _options(one, *options)


def _sum_or_mean(one: Term, _: Random) -> Term:
    return term("sum" if one.operator == "mean" else "mean", one.arguments, *one.options)


def _function(one: Term, _: Random) -> Term:
    """The other formula of gelu, or another epsilon."""
    if one.operator == "gelu":
        return _options(one, "tanh" if one.options[0] == "none" else "none")
    return _options(one, {1e-5: 1e-3, 1e-3: 1e-5}[one.options[0]])


def _other_copies(one: Term, _: Random) -> Term:
    """The whole axis again, in place of every entry again."""
    count, axis = one.options
    return term("repeat", one.arguments, tuple(count if n == axis else 1 for n in range(len(one.shape))))


def _left_out(one: Term, _: Random) -> Term:
    return one.arguments[0]


def _step(one: Term, _: Random) -> Term:
    return _options(one, *one.options[:2], 3 - one.options[2])


def _sign(one: Term, _: Random) -> Term:
    return one.arguments[0] if one.operator == "neg" else neg(one)


def _backwards(one: Term, random: Random) -> Term:
    axes = [axis for axis, length in enumerate(one.shape) if length > 1]
    needs(bool(axes))
    return flip(one, [random.choice(axes)])


def _rolled(one: Term, random: Random) -> Term:
    needs(bool(one.shape))
    return term("roll", (one,), 1, random.randrange(len(one.shape)))


def _zeroed(one: Term, random: Random) -> Term:
    """One entry, such as a tap, is zero."""
    values = np.ones(one.shape)
    values.flat[random.randrange(values.size)] = 0
    return mul(one, constant(values))


def _twice(one: Term, _: Random) -> Term:
    return scale(one, 2)


ANYWHERE: tuple[Mistake, ...] = (_sign, _backwards, _rolled, _zeroed, _twice)
OF_AN_OPERATOR = 0.7
"""How often a mistake is one of its operator, and none that is possible everywhere."""
MISTAKES: dict[str, tuple[Mistake, ...]] = {
    "permute": (_order_of_axes,),
    "reshape": (_order_in_reshape,),
    "slice": (_offset, _offset, _axis),
    "chunk": (_index,),
    "select": (_index,),
    "flip": (_axis,),
    "roll": (_shift,),
    "pad": (_side,),
    "scale": (_factor,),
    "shift": (_number,),
    "constant": (_entry,),
    "interleave": (_other_copies,),
    "cat": (_operands,),
    "stack": (_operands, _axis),
    "sub": (_operands, _missing),
    "add": (_missing,),
    "linear": (_transposed, _missing),
    "matmul": (_transposed, _operands),
    "conv": (_transposed, _missing, _conv_option),
    "einsum": (_letters,),
    "sum": (_axis, _sum_or_mean),
    "mean": (_axis, _sum_or_mean),
    "cumsum": (_axis,),
    "softmax": (_axis,),
    "tril": (_number,),
    "gelu": (_function,),
    "layer_norm": (_function,),
    "relu": (_left_out,),
    "windows": (_step,),
}


def mistaken(top: Term, random: Random) -> tuple[Term, str]:
    """Make one mistake that leaves the result's shape as it is, and return its name.

    Raises:
        NoTermError: what was tried does not fit.
    """
    for _ in range(60):
        places = in_order(top)
        named = [(one, mistake) for one in places for mistake in MISTAKES.get(one.operator, ())]
        if named and random.random() < OF_AN_OPERATOR:
            one, mistake = random.choice(named)
        else:
            one, mistake = random.choice(places), random.choice(ANYWHERE)
            if one.operator == "constant":
                continue
        try:
            result = replaced(top, one, mistake(one, random))
        except (NoTermError, ValueError):
            continue
        if result.shape == top.shape and result is not top:
            return result, f"{mistake.__name__.strip('_')} of {one.operator}"
    raise NoTermError("no mistake fits")
