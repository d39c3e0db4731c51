"""Operators that are no polynomials: each is one function of entries, whatever torch calls it.

What torch has as one operator and others write in several is the same polynomial of these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import islpy as isl
import sympy
import torch
from torch import Tensor

from convcheck.all_sizes.compare import is_zero, normal
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.new_values import constant, without_infinities
from convcheck.all_sizes.pieces import box_at, places
from convcheck.all_sizes.rows import ONE_OVER_ROOT
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value

ROOT = "sqrt"


def root(sources: Sources, value: Value) -> Value:
    """Return the root of every entry."""
    return sources.applied(ROOT, (), value, zero=sympy.Integer(0))


def reciprocal_of(sources: Sources, value: Value) -> Value:
    """Return one over every entry. One over a root is the same, whichever operators make it."""
    number, value = _scaled(value)
    operators = {entry.source.operator for piece in value.pieces for entry in piece.factors}
    linear = all(len(piece.factors) == 1 for piece in value.pieces)
    name = ONE_OVER_ROOT if linear and operators == {ROOT} else "reciprocal"
    return sources.applied(name, (), value).times(1 / number)


def _scaled(value: Value) -> tuple[Any, Value]:
    """Return a number, and the tensor divided by it: the coefficient of all its pieces, if they have the same."""
    first = value.pieces[0].coefficient if value.pieces else sympy.Integer(1)
    if first == 1 or any(not is_zero(piece.coefficient - first) for piece in value.pieces):
        return sympy.Integer(1), value
    return first, value.times(1 / first)


def exponential(sources: Sources, value: Value) -> tuple[Value, Value | None]:
    """Return `exp` of every entry, that of minus infinity being 0; and where entries are finite, if not everywhere.

    Raises:
        CannotProve: whether an entry is infinite is not told by masks.
    """
    if not value.infinite:
        return sources.applied("exp", (), value, zero=sympy.Integer(1)), None
    value, finite = finite_part(value)
    return sources.applied("exp", (), value, zero=sympy.Integer(1)).multiplied(finite), finite


def finite_part(value: Value) -> tuple[Value, Value]:
    """Return a tensor without its infinities, and where it has none: 1 there, and 0 elsewhere."""
    value, infinite = without_infinities(value)
    form = normal(infinite)
    if all(set(terms) <= {()} for terms in form.values()):
        # Minus infinity twice is minus infinity.
        pieces = tuple(
            type(infinite.pieces[0])(segments, sympy.Integer(1), (), relation)
            for segments, terms in form.items()
            for number, relation in terms.get((), ())
            if number > 0 or _refuse("an infinity is multiplied")
        )
        infinite = Value(value.sizes, value.axes, pieces)
    finite = constant(value.sizes, value.axes, sympy.Integer(1)).plus(infinite.times(-1))
    if not is_truth(infinite) and not is_truth(finite):
        raise CannotProve("an entry may be infinite twice")
    return value, _plain(finite)


def _refuse(why: str) -> bool:
    raise CannotProve(why)


def _plain(value: Value) -> Value:
    """Return a tensor in few pieces: overlapping ones are added up."""
    sources = {entry.key: entry for piece in value.pieces for entry in piece.factors}
    make = type(value.pieces[0]) if value.pieces else None
    pieces = [
        make(segments, number, tuple(sources[key] for key in factors), relation)
        for segments, terms in normal(value).items()
        for factors, parts in terms.items()
        for number, relation in parts
        if make is not None
    ]
    return Value(value.sizes, value.axes, tuple(pieces))


def is_truth(value: Value) -> bool:
    """Tell whether every entry is seen to be 0 or 1: one product of such entries at most."""
    truths = {entry.key for piece in value.pieces for entry in piece.factors if entry.source.truth}
    for terms in normal(value).values():
        before = None
        for factors, parts in terms.items():
            for number, relation in parts:
                if number != 1 or not set(factors) <= truths or not relation.is_single_valued():
                    return False
                place = relation.domain()
                if before is not None and not before.is_disjoint(place):
                    return False
                before = place if before is None else before.union(place)
    return True


def softmax(sources: Sources, value: Value, axis: int, safe: bool) -> Value:
    """Return softmax along an axis: `exp(x) / sum(exp(x))`. A `safe` one is 0 where all entries are infinite."""
    powers, finite = exponential(sources, value)
    total = powers.summed(axis).with_one(axis)
    if finite is None or always_some(finite, axis):
        over = reciprocal_of(sources, total)
    else:
        over = sources.applied("reciprocal of a positive" if safe else "reciprocal", (), total)
    one, other = aligned(powers, over)
    return one.product(other)


def always_some(truths: Value, axis: int) -> bool:
    """Tell whether along an axis of truths there always is an entry that is 1."""
    constants = {segments: terms[()] for segments, terms in normal(truths).items() if set(terms) == {()}}
    rest = {}
    left = (*truths.axes[:axis], *truths.axes[axis + 1 :])
    rest = {segments: box_at(truths.sizes, left, segments) for segments in places(left)}
    for segments, parts in constants.items():
        first = sum(len(one[n]) for one, n in zip(truths.axes[:axis], segments[:axis], strict=True))
        number = len(truths.axes[axis][segments[axis]])
        outer = (*segments[:axis], *segments[axis + 1 :])
        for _, relation in parts:
            place = relation.domain()
            place = place.project_out(isl.dim_type.set, first, number)
            rest[outer] = rest[outer].subtract(place)
    context = truths.sizes.context
    return all(one.intersect_params(context).is_empty() for one in rest.values())


FUNCTIONS: Mapping[str, Callable[..., Tensor]] = {
    "same": lambda x: x,
    ROOT: torch.sqrt,
    ONE_OVER_ROOT: torch.reciprocal,
    "reciprocal": torch.reciprocal,
    "reciprocal of a positive": lambda x: torch.where(x == 0, 0, 1 / x),
    "exp": torch.exp,
    "log": torch.log,
    "erf": torch.erf,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "abs": torch.abs,
    "sign": torch.sign,
    "sin": torch.sin,
    "cos": torch.cos,
    "atan": torch.atan,
    "floor": torch.floor,
    "round": torch.round,
    "log1p": torch.log1p,
    "expm1": torch.expm1,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
    "atan2": torch.atan2,
    "positive": lambda x: (x > 0).to(x.dtype),
    "zero": lambda x: (x == 0).to(x.dtype),
}
"""Every operator without options, as torch computes it."""


JUMPS: Mapping[str, tuple[float, int]] = {
    "positive": (0, 0),
    "zero": (0, 0),
    "sign": (0, 0),
    "floor": (0, 1),
    "round": (0.5, 1),
}
"""Where functions jump: at a number, and again after every period, where there is one."""
CLOSE = 1e-9
"""How near rounding may come."""


def jumps_near(operator: str, number: float) -> bool:
    """Tell whether a function jumps so near a number that rounding decides what it makes of it."""
    if operator not in JUMPS:
        return False
    start, period = JUMPS[operator]
    return abs(math.remainder(number - start, period) if period else number - start) < CLOSE


def compute(operator: str, options: Any, *tensors: Tensor) -> Tensor:
    """Return what an operator makes of tensors, as torch computes it."""
    match operator, options:
        case "clamp", (low, high):
            return torch.clamp(tensors[0], None if low is None else float(low), None if high is None else float(high))
        case "elu", (alpha,):
            return torch.nn.functional.elu(tensors[0], float(alpha))
        case "softplus", (beta, *threshold):
            return torch.nn.functional.softplus(tensors[0], float(beta), *map(float, threshold))
        case "power", (exponent,):
            return torch.pow(tensors[0], float(exponent))
        case "one-hot", int(count):
            return torch.nn.functional.one_hot(tensors[0].long(), count).to(torch.float64)
        case "largest", int(count):
            value, inside = tensors
            axes = tuple(range(value.dim() - count, value.dim()))
            largest: Tensor = value.masked_fill(inside == 0, -math.inf).amax(axes)
            return largest
    return FUNCTIONS[operator](*tensors)
