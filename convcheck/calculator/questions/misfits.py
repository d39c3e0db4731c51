"""Axes of an output that no padding or stride changes: which layer sets them, and to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from convcheck.calculator.answers import Misfit
from convcheck.calculator.inverse.chain import axis_names, forwards
from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape

_SETS = ("out_channels", "out_features")
"""Arguments that set the length of an axis."""


class Refit(NamedTuple):
    """A chain in which one layer, counted from 1, has another value of an argument that sets channels or features."""

    layers: tuple[Layer, ...]
    number: int
    argument: str


def misfits_of(layers: Sequence[Layer], shapes: Sequence[Shape], output: Shape) -> tuple[list[Misfit], Refit | None]:
    """Return the axes that do not fit and are none of space, and the chain with other channels where one can have them.

    `shapes` are the inputs of the layers, and the output that there is.
    """
    gives = shapes[-1]
    if len(gives) != len(output):
        return [], None
    names = axis_names(reversed(layers), len(output), "o")
    misfits: list[Misfit] = []
    refit = None
    for name, length, asked in zip(names, gives, output, strict=True):
        if length == asked or name not in ("b", "o"):
            continue
        setter = _setter(layers, length) if name == "o" else None
        if setter is None:
            misfits.append(Misfit(name, length, asked, "the input"))
            continue
        number, argument = setter
        misfits.append(Misfit(name, length, asked, f"{argument} of layer {number}" if len(layers) > 1 else argument))
        values: dict[str, Any] = {argument: asked}
        other = replace(layers[number - 1], **values)
        chain = (*layers[: number - 1], other, *layers[number:])
        if not any(other.inconsistencies()) and forwards(chain, shapes[0])[1] is None:
            refit = Refit(chain, number, argument)
    return misfits, refit


def _setter(layers: Sequence[Layer], length: int) -> tuple[int, str] | None:
    """Return the last layer, counted from 1, that sets a length by an argument, and the argument's name."""
    for number in range(len(layers), 0, -1):
        for argument in _SETS:
            if layers[number - 1].arguments().get(argument) == length:
                return number, argument
    return None
