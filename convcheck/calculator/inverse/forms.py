"""What is known of a layer's output whatever its input: how many axes it has, and the lengths that never change.

An axis that several were merged into can be taken apart only by knowing this.
"""

from __future__ import annotations

import math

from convcheck.layers.axis_map import AxisMap
from convcheck.layers.base import Layer
from convcheck.sizes.limits import MAX_AXES
from convcheck.sizes.patterns import Group

_FEW = 2

Form = tuple[int | None, ...]
"""A length for every axis; None where it depends on the input."""

Forms = tuple[Form, ...]


def maps_of(layer: Layer, before: Forms | None) -> list[tuple[AxisMap, Form]]:
    """Return how the layer changes inputs of each of these forms that it takes; of all ranks if `before` is None."""
    forms = tuple((None,) * rank for rank in range(MAX_AXES, -1, -1)) if before is None else before
    mapped = ((layer.axis_map(len(form)), form) for form in forms)
    return [(axes, form) for axes, form in mapped if axes is not None]


def merges(layer: Layer) -> bool:
    """Tell whether several axes become one, each of any length."""
    return any(axes.merges for axes, _ in maps_of(layer, None))


def forms_of(layer: Layer, before: Forms | None) -> Forms | None:
    """Return every form that the output can have for an input of one of the forms `before`.

    None stands for inputs, or outputs, of any form.
    """
    maps = maps_of(layer, before)
    if before is None and len(maps) > _FEW:
        return None
    return tuple(dict.fromkeys(_output(axes, form) for axes, form in maps))


def takes(axes: AxisMap, form: Form) -> bool:
    """Tell whether the lengths of an input that are known beforehand are those of the form."""
    axes_of_known = zip(axes.source, form, strict=True)
    return all(
        length is None or not set(group) <= axes.known.keys() or length == math.prod(axes.known[name] for name in group)
        for group, length in axes_of_known
    )


def _output(axes: AxisMap, form: Form) -> Form:
    lengths = {name: length for name, length in factors_of(axes, form).items() if name not in axes.functions}
    return tuple(_product(group, lengths) for group in axes.target)


def factors_of(axes: AxisMap, form: Form) -> dict[str, int]:
    """Return the factors of the input's axes that are known."""
    lengths = dict(axes.known)
    for group, length in zip(axes.source, form, strict=True):
        number = math.prod(axes.known.get(name, 1) for name in group)
        free = [name for name in group if name not in axes.known]
        if free and length is not None:
            lengths[free[0]] = length // number
    return lengths


def _product(group: Group, lengths: dict[str, int]) -> int | None:
    return math.prod(lengths[name] for name in group) if all(name in lengths for name in group) else None
