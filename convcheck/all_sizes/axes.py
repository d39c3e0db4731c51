"""What users call the axes whose lengths may vary, and what is proved of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy

from convcheck.all_sizes.points import lowest
from convcheck.all_sizes.regions import Region
from convcheck.all_sizes.trace import INPUT, Given, Path, symbol, symbol_name
from convcheck.sizes.patterns import Group

CHANNELS = "i"
"""What the channels of an input are called; those of weights follow them."""


@dataclass(frozen=True)
class FreeAxis:
    """An axis that is free to vary in a trace: its name, and the symbol of its length."""

    name: str
    symbol: str


def free_axes(
    path: Path, inputs: Sequence[Sequence[str]], parameters: Mapping[str, tuple[Group, ...]]
) -> tuple[FreeAxis, ...]:
    """Return the axes of inputs, with those of weights that no input determines behind the channels.

    `inputs` has a name for every axis of every input; `parameters` names axes of weights, such as `o`.
    """
    sizes, axes = path.world(), []
    taken: set[sympy.Symbol] = set()
    for number, names in enumerate(inputs):
        for axis, (name, length) in enumerate(zip(names, path.lengths[f"{INPUT}{number}"], strict=True)):
            if length.is_Symbol:
                axes.append(FreeAxis(name, symbol_name(f"{INPUT}{number}", axis)))
                taken |= sizes.size(length).free_symbols
    known, further = {axis.name for axis in axes}, []
    for tensor, lengths in path.lengths.items():
        for axis, length in enumerate(lengths):
            if length.is_Symbol and sizes.size(length).free_symbols - taken:
                taken |= sizes.size(length).free_symbols
                named = _name(parameters.get(tensor, ()), axis)
                further.append(FreeAxis(f"{tensor}.{axis}" if named is None or named in known else named, str(length)))
                known.add(further[-1].name)
    behind = next((place + 1 for place, axis in enumerate(axes) if axis.name == CHANNELS), len(axes))
    return (*axes[:behind], *further, *axes[behind:])


def _name(groups: Sequence[Group], axis: int) -> str | None:
    """Return what an axis of a weight is called, such as `o`; None where that is not known, or it is only counted."""
    name = groups[axis][-1] if axis < len(groups) and groups[axis] else None
    return None if name == f"a{axis}" else name


def fixed_channels(
    path: Path, axes: Sequence[FreeAxis], free: Sequence[Given], parameters: Mapping[str, tuple[Group, ...]]
) -> dict[str, int]:
    """Return the lengths of weights' axes that are numbers in a trace, and would be `free` in another, by their names.

    An axis that has a name of an input's is that one; one without a name is known by its tensor's shape.
    """
    known, fixed = {axis.name for axis in axes}, dict[str, int]()
    for one in free:
        for axis, varies in enumerate(one.varies):
            length, name = path.lengths[one.name][axis], _name(parameters.get(one.name, ()), axis)
            if varies and length.is_Integer and name is not None and name not in known:
                fixed.setdefault(name, int(length))
    return fixed


def lengths_by_name(axes: Sequence[FreeAxis], point: Mapping[str, int]) -> dict[str, int]:
    """Return the lengths of axes, of which a point has the symbols."""
    return {axis.name: point[axis.symbol] for axis in axes if axis.symbol in point}


@dataclass(frozen=True)
class Extent:
    """The sizes of which something is proved, by the names of axes."""

    free: Mapping[str, int]
    divisible: Mapping[str, int]
    fixed: Mapping[str, int]


def extent(axes: Sequence[FreeAxis], regions: Sequence[Region]) -> Extent:
    """Return which axes vary over some regions, and from which size on; by what they are divisible; what is fixed."""
    free, divisible, fixed = {}, {}, {}
    for axis in axes:
        lengths = [region.sizes.size(symbol(axis.symbol)) for region in regions]
        if all(one.is_Integer for one in lengths) and len(set(lengths)) == 1:
            fixed[axis.name] = int(lengths[0])
            continue
        free[axis.name] = min(low for one in regions if (low := lowest(one.region, axis.symbol)) is not None)
        divisor = math.gcd(*(int(one if one.is_Integer else one.as_coeff_Mul()[0]) for one in lengths))
        if divisor > 1:
            divisible[axis.name] = divisor
    return Extent(free, divisible, fixed)
