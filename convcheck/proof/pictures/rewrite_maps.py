"""Where a rewrite's candidate moves every entry of its input, its weights and its output: seen by labels as it runs.

Inputs are numbered from 1. An operator whose result holds nothing but numbers of what it was given only moves them; all
others compute, and what they give is numbered anew. So the operands of the first ones say where inputs land, and the
output says how the last result is laid out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convcheck.catalogue.catalogue import find
from convcheck.layers import Layer, write_shapes
from convcheck.proof.pictures.weight_maps import entries_of
from convcheck.results.pictures import Grid, RewriteMaps, Sheet
from convcheck.rewriting.candidate_side import candidate_side
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.small_layer import small_layer
from convcheck.rewriting.transplant import Transplant
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, side_of_layer
from convcheck.sizes.patterns import Shape

OPERANDS = 2
"""How many operands are shown, of those that hold the input in different ways."""

SAME = 1e-6
"""The variance of numbers of positions below which they are one."""

ROWS, COLUMNS = 9, 16
"""How many rows and columns of a sheet are shown."""


def rewrite_maps(name: str) -> RewriteMaps:
    """Return where the rewrite of this name moves the entries of a small layer. Raises UsageError if there is none."""
    rewrite = find(name)
    layer, shapes = small_layer(rewrite)
    mapping = rewrite.transplant(layer, shapes)
    side = candidate_side(rewrite, layer, shapes, None, mapping)
    inputs, labels = [], 0
    for shape in shapes:
        inputs.append(_numbered(shape, labels))
        labels += math.prod(shape)
    followed = _follow(side, inputs, mapping)
    colour, by = _colours(layer, inputs, followed.operands)
    sheets = [_sheet(_name("input", number, len(inputs)), one, colour) for number, one in enumerate(inputs)]
    operands, what = followed.operands, "what the candidate multiplies"
    if not operands and float(followed.output.max()) <= labels:
        operands, what = [followed.output], "output"
    moved = [one for one in operands if not any(torch.equal(one, other) for other in inputs)]
    where = [_sheet(_name(what, number, len(moved)), one, colour) for number, one in enumerate(moved[:OPERANDS])]
    return RewriteMaps(
        name=name,
        claim=rewrite.claim,
        summary=rewrite.summary,
        layer=str(layer),
        inputs=write_shapes(shapes),
        colour=by,
        before=tuple(sheets),
        after=tuple(where),
        left_out=max(0, len(moved) - OPERANDS),
        weights=tuple(_weights(layer, mapping)),
        results=tuple(_results(followed)),
    )


class _Follow(TorchDispatchMode):
    """Numbers what is computed anew, and keeps the operands that are inputs in another order."""

    def __init__(self, labels: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
        self.labels, self.last = labels, labels
        self.operands: list[Tensor] = []
        self.blocks: list[Tensor] = []
        """What was computed, as it was numbered; the last one may be what the output is made of."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [one for one in tree_leaves((args, kwargs or {})) if isinstance(one, Tensor)]
        before = [one.clone() for one in given if self._is_moved(one, self.last)]
        result = func(*args, **(kwargs or {}))
        if not before or not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        known = torch.cat([torch.zeros(1, dtype=result.dtype), *(one.flatten() for one in before)])
        if bool(torch.isin(result, known).all()):
            return result
        self.operands += [
            one
            for one in before
            if self._is_moved(one, self.labels) and not any(torch.equal(one, other) for other in self.operands)
        ]
        block = _numbered(tuple(result.shape), self.last)
        self.last += block.numel()
        self.blocks.append(block)
        return result.copy_(block) if any(result is one for one in given) else block.to(result.dtype)

    def _is_moved(self, tensor: Tensor, last: int) -> bool:
        """Tell whether a tensor has numbers up to `last`, zeros, and nothing else."""
        if not tensor.is_floating_point() or not tensor.numel():
            return False
        whole = (tensor == tensor.round()) & (tensor >= 0) & (tensor <= last)
        return bool(whole.all()) and bool((tensor > 0).any())


class _Followed(NamedTuple):
    """What was seen of a run: operands that hold the input, the output, and the last result if that is made of it."""

    operands: list[Tensor]
    output: Tensor
    block: Tensor | None


def _follow(side: Side, inputs: Sequence[Tensor], mapping: Transplant) -> _Followed:
    generator = torch.Generator().manual_seed(0)
    # A bias of zeros moves nothing, and weights that are no whole numbers are never taken for labels.
    parameters = {
        name: torch.zeros(shape, dtype=torch.float64)
        if name.endswith("bias")
        else torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
        for name, shape in mapping.shapes().items()
    }
    mode = _Follow(sum(one.numel() for one in inputs))
    with torch.no_grad(), mode:
        output = side.run(Sample(tuple(inputs), parameters))
    held = output[output > 0]
    made_of = (block for block in mode.blocks if len(held) and bool(torch.isin(held, block).all()))
    return _Followed(mode.operands, output, next(made_of, None))


def _numbered(shape: Shape, after: int) -> Tensor:
    return torch.arange(after + 1, after + math.prod(shape) + 1, dtype=torch.float64).reshape(shape)


def _name(text: str, number: int, count: int) -> str:
    return f"{text}, {number + 1} of {count}" if count > 1 else text


def _colours(layer: Layer, inputs: Sequence[Tensor], operands: Sequence[Tensor]) -> tuple[Tensor, str]:
    """Return a colour from 0 to 1 for every number of the input, and by what it goes."""
    labels = sum(one.numel() for one in inputs)
    patches = _readers(layer, inputs) if len(inputs) == 1 else None
    if patches is not None:
        return _scaled(patches), "the patch that it is in"
    moved = [one for one in operands if one.shape != inputs[0].shape and one.dim() == inputs[0].dim()]
    if len(moved) == 1 and bool((torch.bincount(moved[0].flatten().long(), minlength=labels + 1)[1:] <= 1).all()):
        (one,) = moved
        # Phases of positions are parts of a longer batch, or more channels.
        axis = next((axis for axis in (0, 1) if one.shape[axis] > inputs[0].shape[axis]), None)
        if axis is not None:
            phase = torch.full((labels,), math.nan, dtype=torch.float64)
            places = torch.arange(one.shape[axis]).reshape(-1, *[1] * (one.dim() - 1 - axis))
            phase[one[one > 0].long() - 1] = places.expand(one.shape)[one > 0].double()
            return _scaled(
                phase
            ), f"the phase that it goes to: {('batch entry', 'channel')[axis]} of what is multiplied"
    return _scaled(torch.arange(labels, dtype=torch.float64)), "its own place"


def _readers(layer: Layer, inputs: Sequence[Tensor]) -> Tensor | None:
    """Return the number of the output position that reads each entry, NaN if none does; None where several may."""
    side = side_of_layer(layer, tuple(tuple(one.shape) for one in inputs))
    if layer.degree() is None or "o" not in side.output_axes or not layer.parameters():
        return None
    x = torch.ones_like(inputs[0], requires_grad=True)
    ones = {name: torch.ones(shape, dtype=torch.float64) for name, shape in side.parameters.items()}
    ones |= {name: torch.ones(one.shape, dtype=torch.float64) for name, one in side.statistics.items()}
    output = side.run(Sample((x,), ones))
    channel = side.output_axes.index("o")
    shape = [1 if axis == channel else length for axis, length in enumerate(output.shape)]
    places = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    count, total, square = (
        torch.autograd.grad((output * places**power).sum(), x, retain_graph=True)[0].flatten() for power in (0, 1, 2)
    )
    read = count > 0
    mean = torch.where(read, total / count, math.nan)
    single = bool((square / count - mean**2)[read].abs().max() < SAME)
    return mean if single and 1 < len(set(mean[read].tolist())) < int(read.sum()) else None


def _scaled(values: Tensor) -> Tensor:
    known = values[values.isfinite()]
    low, high = known.min(), known.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)


def _sheet(title: str, numbers: Tensor, colour: Tensor) -> Sheet:
    """Return a tensor of numbers from 1 as a sheet: 0 where there is none of them."""
    padded = torch.cat([torch.full((1,), math.nan, dtype=torch.float64), colour])
    shape = tuple(numbers.shape)
    height, width = ((1, 1, 1, *shape)[-2], (1, *shape)[-1])
    return Sheet(
        title,
        shape,
        tuple(tuple(int(number) for number in row) for row in _laid_out(numbers)),
        _laid_out(padded[numbers.long()]),
        (height, width),
    )


def _laid_out(values: Tensor) -> Grid:
    """Return the matrices of the last two axes, those along the axis before side by side, cut to what is shown."""
    *others, side, height, width = (1, 1, 1, *values.shape)
    rows = values.reshape(math.prod(others), side, height, width).transpose(1, 2).reshape(-1, side * width)
    return tuple(map(tuple, rows[:ROWS, :COLUMNS].tolist()))


def _weights(layer: Layer, mapping: Transplant) -> Iterator[Sheet]:
    """Yield the first weight whose entries are moved, as it was and as it is; else what one is merged of, by values."""
    shapes = layer.parameters()
    for move in mapping.moves:
        if not move.sources or any(len(shapes.get(source, ())) < 2 for source in move.sources):
            continue
        index = entries_of(move, {source: shapes[source] for source in move.sources})
        if index is None:
            continue
        before = _numbered(shapes[move.sources[0]], 0)
        if torch.equal(before, index):
            continue
        colour = _scaled(torch.arange(sum(math.prod(shapes[source]) for source in move.sources), dtype=torch.float64))
        yield _sheet(f"weight of the layer: {move.sources[0]}", before, colour)
        yield _sheet(f"weight of the candidate: {move.target}, {move}", index.abs(), colour)
        return
    if mapping.merges():
        yield from _merged(layer, mapping.moves[0])


def _merged(layer: Layer, move: ParameterMove) -> Iterator[Sheet]:
    """Yield what a parameter is merged of, and what it comes to, coloured by drawn values."""
    generator = torch.Generator().manual_seed(0)
    shapes = {**layer.parameters(), **{name: one.shape for name, one in layer.statistics().items()}}
    drawn = {name: torch.rand(shapes[name], generator=generator, dtype=torch.float64) for name in move.sources}
    sheets = {**{f"the layer's {name}": one for name, one in drawn.items()}}
    sheets[f"the candidate's {move.target}: {move}"] = move.forward(drawn)
    for title, values in sheets.items():
        nothing = torch.zeros(values.shape, dtype=torch.float64)
        yield replace(_sheet(title, nothing, nothing.flatten()), colours=_laid_out(_scaled(values)))


def _results(followed: _Followed) -> Iterator[Sheet]:
    """Yield the last result and the output that is made of it, where that is laid out in another way."""
    block, output = followed.block, followed.output
    if block is None or torch.equal(block.flatten(), output.flatten()):
        return
    colour, first = _scaled(torch.arange(block.numel(), dtype=torch.float64)), block.min() - 1
    yield _sheet("what the candidate computes", block - first, colour)
    yield _sheet("output", torch.where(output > 0, output - first, 0), colour)
