"""The smallest sizes in a set of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import islpy as isl


def smallest(sizes: Any, order: Sequence[str]) -> Mapping[str, int] | None:
    """Return the point of a set of sizes that has the smallest sum along `order`, then comes first in it.

    None if the set is empty. All its parameters are in the point.
    """
    params = isl.dim_type.param
    names = [sizes.get_dim_name(params, number) for number in range(sizes.dim(params))]
    ordered = [name for name in order if name in names] + [name for name in names if name not in order]
    if not names:
        return None if sizes.is_empty() else {}
    moved = (
        sizes.move_dims(isl.dim_type.set, 0, params, 0, len(names)) if sizes.dim(isl.dim_type.set) else _as_set(sizes)
    )
    total = " + ".join(name for name in ordered if name in order) or "0"
    by_sum = isl.Map(f"{{ [{', '.join(names)}] -> [{total}, {', '.join(ordered)}] }}")
    first = moved.apply(by_sum).lexmin()
    if first.is_empty():
        return None
    point = first.sample_point()
    values = [int(point.get_coordinate_val(isl.dim_type.set, number + 1).to_python()) for number in range(len(names))]
    return dict(zip(ordered, values, strict=True))


def _as_set(sizes: Any) -> Any:
    """Return a set of parameters as one of tuples."""
    params = isl.dim_type.param
    return isl.Set.from_params(sizes).move_dims(isl.dim_type.set, 0, params, 0, sizes.dim(params))


def at(sizes: Mapping[str, int]) -> Any:
    """Return the set of one point."""
    text = " and ".join(f"{name} = {value}" for name, value in sizes.items()) or "true"
    return isl.Set(f"[{', '.join(sizes)}] -> {{ : {text} }}")


def lowest(sizes: Any, name: str) -> int | None:
    """Return the lowest value of one size in a set; None if there is none."""
    found = smallest(sizes, [name])
    return None if found is None else found.get(name)


def at_least(name: str, low: int) -> Any:
    """Return the set in which a size is so large at least."""
    return isl.Set(f"[{name}] -> {{ : {name} >= {low} }}")


def multiples(name: str, factor: int, low: int) -> Any:
    """Return the set in which a size is a multiple of a number, and so large at least."""
    return isl.Set(f"[{name}] -> {{ : {name} mod {factor} = 0 and {name} >= {low} }}")


def as_tuples(sizes: Any, order: Sequence[str]) -> Any:
    """Return a set of sizes as tuples of some of them."""
    numbers = [f"n{number}" for number, _ in enumerate(order)]
    equal = " and ".join(f"{number} = {name}" for number, name in zip(numbers, order, strict=True)) or "true"
    tuples = isl.Set(f"[{', '.join(order)}] -> {{ [{', '.join(numbers)}] : {equal} }}").intersect_params(sizes)
    return tuples.project_out(isl.dim_type.param, 0, tuples.dim(isl.dim_type.param))


def sum_below(order: Sequence[str], total: int) -> Any:
    """Return the set in which the sum of some sizes is below a number."""
    return isl.Set(f"[{', '.join(order)}] -> {{ : {' + '.join(order) or '0'} < {total} }}")
