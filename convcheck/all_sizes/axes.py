"""What users call the axes whose lengths may vary, and what is proved of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy

from convcheck.all_sizes.exploring import Region
from convcheck.all_sizes.points import lowest
from convcheck.all_sizes.trace import Path, symbol_name
from convcheck.sizes.patterns import Group


@dataclass(frozen=True)
class FreeAxis:
    """An axis that is free to vary in a trace: its name, and the symbol of its length."""

    name: str
    symbol: str


def free_axes(
    path: Path, inputs: Sequence[Sequence[str]], parameters: Mapping[str, tuple[Group, ...]]
) -> tuple[FreeAxis, ...]:
    """Return the axes of inputs, then those of weights that no input determines.

    `inputs` has a name for every axis of every input; `parameters` names axes of weights, such as `o`.
    """
    sizes, axes = path.world(), []
    taken: set[sympy.Symbol] = set()
    for number, names in enumerate(inputs):
        for axis, (name, length) in enumerate(zip(names, path.lengths[f"input.{number}"], strict=True)):
            if length.is_Symbol:
                axes.append(FreeAxis(name, symbol_name(f"input.{number}", axis)))
                taken |= sizes.size(length).free_symbols
    known = {axis.name for axis in axes}
    for tensor, lengths in path.lengths.items():
        groups = parameters.get(tensor, ())
        for axis, length in enumerate(lengths):
            if not length.is_Symbol or not sizes.size(length).free_symbols - taken:
                continue
            taken |= sizes.size(length).free_symbols
            group = groups[axis] if axis < len(groups) else ()
            name = group[-1] if group and group[-1] not in known else f"{tensor}.{axis}"
            known.add(name)
            axes.append(FreeAxis(name, str(length)))
    return tuple(axes)


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
        lengths = [region.sizes.size(sympy.Symbol(axis.symbol, integer=True)) for region in regions]
        if all(one.is_Integer for one in lengths) and len(set(lengths)) == 1:
            fixed[axis.name] = int(lengths[0])
            continue
        free[axis.name] = min(low for one in regions if (low := lowest(one.region, axis.symbol)) is not None)
        divisor = math.gcd(*(int(one if one.is_Integer else one.as_coeff_Mul()[0]) for one in lengths))
        if divisor > 1:
            divisible[axis.name] = divisor
    return Extent(free, divisible, fixed)
