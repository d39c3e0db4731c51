"""Tensors of whole numbers that are known at every place, such as `arange`: linear functions of the place.

They are read as entries of one source, all whole numbers in order: its entry n is n. So they are moved as all tensors
are, and sums of them are read back as one function of the place.
"""

from __future__ import annotations

import math
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.pieces import Entry, Piece, Source, box
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value

NUMBERS = Source("whole numbers", (((sympy.Symbol("infinity"),),),))
"""Its entry n is n, below zero as well."""


def function_of(value: Value) -> Any:
    """Return a tensor of whole numbers, of one segment an axis, as an isl.PwAff of its atoms.

    Raises:
        CannotProve: an entry depends on an input or a weight, or is no whole number.
    """
    if any(len(axis) != 1 for axis in value.axes):
        raise CannotProve("whole numbers in several parts")
    whole = box(value.sizes, [size for axis in value.axes for size in axis[0]])
    total = isl.PwAff.zero_on_domain(isl.LocalSpace.from_space(whole.get_space())).intersect_domain(whole)
    for piece in value.pieces:
        number = sympy.sympify(piece.coefficient)
        if not number.is_Integer:
            raise CannotProve(f"{number} where whole numbers are needed")
        if not piece.factors:
            one = isl.PwAff(f"{{ [{', '.join(f'n{n}' for n in range(whole.dim(isl.dim_type.set)))}] -> [1] }}")
            term = one.intersect_domain(piece.relation.domain())
        elif piece.factors[0].source == NUMBERS and len(piece.factors) == 1:
            term = isl.PwMultiAff.from_map(piece.relation).get_at(0)
        else:
            raise CannotProve("numbers that depend on those of a tensor")
        total = total.union_add(term.scale_val(isl.Val(int(number))))
    return total.coalesce()


LARGEST_DENOMINATOR = 1024
"""Floats with as few digits behind the point are multiplied without rounding."""


def cut_off(value: Value) -> Any:
    """Return a tensor of known fractions without what is behind the point, as a function of its atoms.

    Raises:
        CannotProve: some may be below zero, or a denominator is no small power of 2: floats round.
    """
    denominators = [sympy.sympify(piece.coefficient).q for piece in value.pieces if piece.coefficient.is_Rational]
    by = math.lcm(*map(int, denominators)) if denominators else 1
    if by & (by - 1) or by > LARGEST_DENOMINATOR:
        raise CannotProve("fractions that floats round")
    function = function_of(value.times(by))
    if by == 1:
        return function
    negative = function.lt_set(function.scale_val(isl.Val(0)))
    if not negative.intersect_params(value.sizes.context).is_empty():
        raise CannotProve("fractions that may be below 0")
    return function.scale_down_val(isl.Val(by)).floor()


def is_known(value: Any) -> bool:
    """Tell whether a tensor is made of known whole numbers only."""
    return isinstance(value, Value) and all(
        len(piece.factors) <= 1 and all(one.source == NUMBERS for one in piece.factors) for piece in value.pieces
    )


def from_function(like: Value, function: Any) -> Value:
    """Return the tensor with the axes of another, of one segment each, whose entries a function of the place gives."""
    relation = isl.Map.from_pw_aff(function).intersect_params(like.sizes.context)
    piece = Piece((0,) * like.rank, sympy.Integer(1), (Entry(NUMBERS, (0,)),), relation)
    return Value(like.sizes, like.axes, (piece,))


def indicator(like: Value, where: Any) -> Value:
    """Return the tensor with the axes of another, of one segment each, that is 1 at some places, and else 0."""
    whole = box(like.sizes, [size for axis in like.axes for size in axis[0]])
    relation = isl.Map.from_domain(where.intersect(whole))
    return Value(like.sizes, like.axes, (Piece((0,) * like.rank, sympy.Integer(1), (), relation),))


def places(value: Value) -> Any:
    """Return where a tensor of known booleans, of one segment an axis, is true. Raises CannotProve for others."""
    function = function_of(value)
    return function.ne_set(function.scale_val(isl.Val(0)))


def bounded(value: Value, function: Any, size: Any) -> None:
    """Check that all entries are from 0 to below a size. Raises CannotProve."""
    text = value.sizes.text(size)
    image = isl.Map.from_pw_aff(function).intersect_params(value.sizes.context).range()
    inside = isl.Set(f"[{value.sizes.names}] -> {{ [i] : 0 <= i < {text} }}")
    if not image.is_subset(inside):
        raise CannotProve(f"numbers of entries that may be below 0, or {size} and more")
