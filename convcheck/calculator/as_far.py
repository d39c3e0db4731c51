"""Shapes through a print of a model as far as its order tells them: up to the first branch, and parameters of all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from convcheck.calculator.figures import PrintedLayer, Row, Total
from convcheck.calculator.shapes import chain, parameter_counts, total_of
from convcheck.errors import ShapeError
from convcheck.layers import Layer, accept
from convcheck.layers.text.unread import is_unread
from convcheck.sizes.patterns import Shapes

if TYPE_CHECKING:
    from convcheck.config.checks import DType

# Submodules that take what is not the output of the one printed before them.
_BESIDE = re.compile(r"(?:^|\.)(?:shortcut|skip\w*|residual|branch\w*|se|se_module|squeeze\w*|aux\w*)(?=\.|$)", re.I)
# Some of these go on from what is before them; those that do not fit there are branches.
_DOWNSAMPLE = re.compile(r"(?:^|\.)(?:downsample\w*|down_sample\w*|proj_shortcut)(?=\.|$)", re.I)


class AsFar(NamedTuple):
    """Rows of all layers, of which those behind the first branch have no shapes, and why they end there."""

    rows: list[Row]
    total: Total | None
    why: str | None


def chain_as_far(
    layers: Sequence[Layer], shapes: Shapes, names: Sequence[str | None], *, dtype: DType, explained: bool
) -> AsFar:
    """Return the rows of a printed model whose `forward` is not known.

    Raises:
        ShapeError: the first layer cannot take the input.
    """
    end, why = _end(layers, shapes, names)
    if why is None:
        rows = chain(layers, shapes, names, dtype=dtype, explained=explained)
        return AsFar([*rows], total_of(layers, shapes, rows) if len(rows) > 1 else None, None)
    known = chain(layers[:end], shapes, names[:end], dtype=dtype, explained=explained) if end else []
    unknown = [_unknown(layer, name) for layer, name in zip(layers[end:], names[end:], strict=True)]
    return AsFar([*known, *unknown], _parameters(layers), why)


def _end(layers: Sequence[Layer], shapes: Shapes, names: Sequence[str | None]) -> tuple[int, str | None]:
    """Return how many layers come before the first of which no shape is known, and why it is not."""
    for number, (layer, name) in enumerate(zip(layers, names, strict=True)):
        where = name or str(layer)
        if is_unread(layer):
            return number, f"{where} cannot be read: the shapes of what is behind it are not known"
        if (beside := _BESIDE.search(name or "")) is not None:
            path = (name or "")[: beside.end()]
            return number, f"{path} is probably a branch: shapes are told up to it, and parameters of all"
        try:
            shapes = (accept(layer.given(*shapes), shapes),)
        except ShapeError as error:
            if not number:
                raise ShapeError(f"{layer}: {error}") from None
            down = _DOWNSAMPLE.search(name or "")
            reason = "is probably a branch" if down else f"does not take what is printed before it ({error})"
            path = (name or "")[: down.end()] if down else where
            return number, f"{path} {reason}: shapes are told up to it, and parameters of all"
    return len(layers), None


def _unknown(layer: Layer, name: str | None) -> PrintedLayer:
    weight, bias = parameter_counts(layer)
    if is_unread(layer):
        return PrintedLayer(str(layer), name or None, None, None, None)
    return PrintedLayer(str(layer), name or None, weight + bias, weight, bias)


def _parameters(layers: Sequence[Layer]) -> Total:
    """Return a sum of what is known of all layers, which is the number of their parameters at most."""
    weight, bias = (sum(counts) for counts in zip(*map(parameter_counts, layers), strict=True))
    read = not any(map(is_unread, layers))
    return Total(
        params=weight + bias if read else None,
        weight=weight if read else None,
        bias=bias if read else None,
        macs=None,
        flops=None,
        largest_activation=None,
        dropped=None,
        receptive_field=(),
        jump=(),
    )
