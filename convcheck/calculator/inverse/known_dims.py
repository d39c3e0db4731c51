"""What is known of a layer's output whatever its input: how many axes it has, and the lengths that never change.

An axis that several were merged into can be taken apart only by knowing this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatch

from convcheck.errors import PatternError, ShapeError
from convcheck.layers.base import Layer
from convcheck.layers.kinds.batchnorm import BatchNorm
from convcheck.layers.kinds.conv import Conv
from convcheck.layers.kinds.conv_transpose import ConvTranspose
from convcheck.layers.kinds.elementwise import Elementwise, Softmax
from convcheck.layers.kinds.flatten import Flatten, Unflatten
from convcheck.layers.kinds.linear import Linear
from convcheck.layers.kinds.multihead import MultiheadAttention
from convcheck.layers.kinds.patches import Patchify, Unpatchify
from convcheck.layers.kinds.pixel_shuffle import PixelShuffle, PixelUnshuffle
from convcheck.layers.kinds.pool import Pool
from convcheck.layers.kinds.rearrange import Rearrange
from convcheck.layers.kinds.unfold import Fold, Unfold
from convcheck.sizes.patterns import parse

Form = tuple[int | None, ...]
"""A length for every axis; None where it depends on the input."""

Forms = tuple[Form, ...]


@singledispatch
def forms_of(_layer: Layer, _before: Forms | None) -> Forms | None:
    """Return every form that the output can have for an input of one of the forms `before`.

    None stands for inputs, or outputs, of any form.
    """
    return None


def _ranked(before: Forms | None, *ranks: int) -> Iterator[Form]:
    """Yield the forms with one of these numbers of axes."""
    if before is None:
        yield from ((None,) * rank for rank in ranks)
    else:
        yield from (form for form in before if len(form) in ranks)


@forms_of.register
def _(layer: Conv | ConvTranspose, before: Forms | None) -> Forms | None:
    dims = layer.dims
    found = _ranked(before, dims + 2, dims + 1)
    return tuple((*form[: -dims - 1], layer.out_channels, *(None,) * dims) for form in found)


@forms_of.register
def _(layer: Pool, before: Forms | None) -> Forms | None:
    dims = layer.dims
    return tuple((*form[:-dims], *(None,) * dims) for form in _ranked(before, dims + 2, dims + 1))


@forms_of.register
def _(layer: Patchify | Unpatchify, before: Forms | None) -> Forms | None:
    dims = layer.dims
    found = _ranked(before, dims + 2, dims + 1)
    return tuple((*form[: -dims - 1], *(None,) * dims, layer.out_features) for form in found)


@forms_of.register
def _(layer: BatchNorm, before: Forms | None) -> Forms | None:
    ranks = (layer.dims + 2, 2) if layer.dims == 1 else (layer.dims + 2,)
    if not (layer.affine or layer.track_running_stats):
        return tuple(_ranked(before, *ranks))
    return tuple((form[0], layer.num_features, *form[2:]) for form in _ranked(before, *ranks))


@forms_of.register
def _(layer: Elementwise | Softmax, before: Forms | None) -> Forms | None:
    return before and tuple(form for form in before if keeps(layer, len(form)))


def keeps(layer: Elementwise | Softmax, rank: int) -> bool:
    """Tell whether a layer that keeps shapes takes one of so many axes."""
    try:
        layer.output_shape((1,) * rank)
    except ShapeError:
        return False
    return True


@forms_of.register
def _(layer: PixelShuffle | PixelUnshuffle, before: Forms | None) -> Forms | None:
    if before is None:
        return None
    up = isinstance(layer, PixelShuffle)
    area = (layer.upscale_factor if isinstance(layer, PixelShuffle) else layer.downscale_factor) ** 2
    found = [form for form in before if len(form) > 2]
    channels = [form[-3] and (form[-3] // area if up else form[-3] * area) for form in found]
    return tuple((*form[:-3], made, None, None) for form, made in zip(found, channels, strict=True))


@forms_of.register
def _(layer: Unfold, before: Forms | None) -> Forms | None:
    found = _ranked(before, 4, 3)
    return tuple((*form[:-3], form[-3] and form[-3] * layer.taps, None) for form in found)


@forms_of.register
def _(layer: Fold, before: Forms | None) -> Forms | None:
    size = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size,) * 2
    return tuple((*form[:-2], form[-2] and form[-2] // layer.taps, *size) for form in _ranked(before, 3, 2))


@forms_of.register
def _(layer: Linear, before: Forms | None) -> Forms | None:
    return before and tuple((*form[:-1], layer.out_features) for form in before if form)


@forms_of.register
def _(layer: MultiheadAttention, before: Forms | None) -> Forms | None:
    return tuple((*form[:-1], layer.embed_dim) for form in _ranked(before, 3, 2))


@forms_of.register
def _(layer: Flatten, before: Forms | None) -> Forms | None:
    if before is None:
        return None
    found = []
    for form in before:
        merged = merged_axes(layer, len(form))
        if merged is not None:
            start, end = merged
            found.append((*form[:start], _joint(form[start : end + 1]), *form[end + 1 :]))
    return tuple(found)


def merged_axes(layer: Flatten, rank: int) -> tuple[int, int] | None:
    """Return the first and the last axis, counted from 0, of those that become one; None if there are no such axes."""
    if not all(-rank <= dim < rank for dim in (layer.start_dim, layer.end_dim)):
        return None
    start, end = layer.start_dim % rank, layer.end_dim % rank
    return (start, end) if start <= end else None


@forms_of.register
def _(layer: Unflatten, before: Forms | None) -> Forms | None:
    if before is None:
        return None
    found = []
    for form in (form for form in before if -len(form) <= layer.dim < len(form)):
        dim = layer.dim % len(form)
        length = form[dim]
        left = length and length // layer.told
        sizes = (left if size == -1 else size for size in layer.unflattened_size)
        found.append((*form[:dim], *sizes, *form[dim + 1 :]))
    return tuple(found)


@forms_of.register
def _(layer: Rearrange, before: Forms | None) -> Forms | None:
    if before is None:
        # An ellipsis stands for any number of axes.
        if "..." in layer.pattern:
            return None
        before = ((None,) * len(parse(layer.pattern).source),)
    found = []
    for form in before:
        try:
            pattern = layer.for_rank(len(form))
        except (ShapeError, PatternError):
            continue
        lengths: dict[str, int | None] = dict(layer.lengths)
        for group, length in zip(pattern.source, form, strict=True):
            told = math.prod(lengths[axis] or 1 for axis in group if axis in lengths)
            lengths |= {axis: length and length // told for axis in group if axis not in lengths}
        found.append(tuple(_joint(tuple(lengths[axis] for axis in group)) for group in pattern.target))
    return tuple(found)


def _joint(lengths: Form) -> int | None:
    known = [length for length in lengths if length is not None]
    return math.prod(known) if len(known) == len(lengths) else None
