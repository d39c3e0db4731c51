"""The shape calculator: layers and cases to values, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from convcheck.calculator.figures import BYTES, LayerShape, Total
from convcheck.calculator.receptive_field import receptive_fields
from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.errors import ShapeError
from convcheck.layers import Layer, accept
from convcheck.sizes.collected import collected
from convcheck.sizes.lengths import UndecidedError
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from convcheck.config.case import Case
    from convcheck.config.checks import DType


def shape_of(
    layer: Layer, shapes: Shapes, case: str | None = None, *, dtype: DType = "float32", explained: bool = False
) -> LayerShape:
    """Return what one layer makes of inputs of `shapes`. Raises ShapeError if it cannot take them.

    Its outputs are of `dtype`. Receptive field and jump are left to those who know what comes before it.
    """
    layer = layer.given(*shapes)
    output, macs = accept(layer, shapes), layer.macs(*shapes)
    weight, bias = parameter_counts(layer)
    return LayerShape(
        case=case,
        layer=str(layer),
        input=shapes[0] if len(shapes) == 1 else shapes,
        output=output,
        params=weight + bias,
        weight=weight,
        bias=bias,
        macs=macs,
        flops=2 * macs,
        activation=math.prod(output) * BYTES[dtype],
        dropped=_dropped(layer, shapes),
        explained=tuple(layer.explain(*shapes)) if explained else (),
    )


def parameter_counts(layer: Layer) -> tuple[int, int]:
    """Return how many parameters are no biases, and how many are."""
    counts = {name: math.prod(shape) for name, shape in layer.parameters().items()}
    bias = sum(count for name, count in counts.items() if "bias" in name.rpartition(".")[2])
    return layer.parameter_count() - bias, bias


def chain(
    layers: Sequence[Layer],
    shapes: Shapes,
    names: Sequence[str | None] = (),
    *,
    dtype: DType = "float32",
    explained: bool = False,
) -> list[LayerShape]:
    """Return the shapes through a chain of layers, each taking what the one before makes; Sequentials are taken apart.

    Raises:
        ShapeError: a layer cannot take what it gets; the message says which.
    """
    apart = list(_apart(layers, names))
    rows: list[LayerShape] = []
    taken: list[Shapes] = []
    for number, (layer, name) in enumerate(apart, start=1):
        taken.append(shapes)
        try:
            row = shape_of(layer, shapes, dtype=dtype, explained=explained)
        except ShapeError as error:
            where = f"layer {number}{f' ({name})' if name else ''}, " if len(apart) > 1 else ""
            raise ShapeError(f"{where}{layer}: {error}") from None
        rows.append(replace(row, name=name or None))
        shapes = (row.output,)
    return list(_with_fields(rows, [layer for layer, _ in apart], taken))


def _apart(layers: Sequence[Layer], names: Sequence[str | None]) -> Iterator[tuple[Layer, str | None]]:
    for layer, name in zip(layers, names or [None] * len(layers), strict=True):
        for leaf in layer.leaves():
            yield leaf, name


def _with_fields(rows: Sequence[LayerShape], layers: Sequence[Layer], inputs: Sequence[Shapes]) -> Iterator[LayerShape]:
    for row, spatial in zip(rows, receptive_fields(layers, inputs), strict=True):
        fields, jumps = tuple(axis.field for axis in spatial), tuple(axis.jump for axis in spatial)
        yield replace(row, receptive_field=fields, jump=jumps)


def total_of(layers: Sequence[Layer], shapes: Shapes, rows: Sequence[LayerShape]) -> Total:
    """Return a chain's sum, for the rows that `chain` made of it."""
    # A single layer is answered without it.
    from convcheck.layers import Sequential

    return Total(
        params=sum(row.params for row in rows),
        weight=sum(row.weight for row in rows),
        bias=sum(row.bias for row in rows),
        macs=collected(row.macs for row in rows),
        flops=collected(row.flops for row in rows),
        largest_activation=_largest([row.activation for row in rows]),
        dropped=_dropped(Sequential("Sequential", tuple(layers)), shapes) if len(shapes) == 1 else rows[0].dropped,
        receptive_field=rows[-1].receptive_field,
        jump=rows[-1].jump,
    )


def _largest(sizes: Sequence[int]) -> int | None:
    try:
        return max(sizes)
    except UndecidedError:
        # Of formulas that depend on several names, often none is the largest.
        return None


def _dropped(layer: Layer, shapes: Shapes) -> Shape | None:
    try:
        return unread_inputs(layer, *shapes)
    except UndecidedError:
        # Of lengths that are formulas, it may depend on what the names in them stand for.
        return None


def shapes_of(cases: Iterable[Case], *, dtype: DType | None = None, explained: bool = False) -> list[LayerShape]:
    """Return the shapes of every case by itself; a Sequential's row holds those of its layers.

    A dtype goes before that of the cases.
    """
    return [_case(case, dtype or case.dtype, explained) for case in cases]


def _case(case: Case, dtype: DType, explained: bool) -> LayerShape:
    row = shape_of(case.layer, case.inputs, case.name, dtype=dtype, explained=explained)
    within = chain([case.layer], case.inputs, dtype=dtype)
    fields, jumps = within[-1].receptive_field, within[-1].jump
    layers = tuple(within) if case.layer.IS_CONTAINER else ()
    return replace(row, receptive_field=fields, jump=jumps, layers=layers)
