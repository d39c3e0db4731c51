"""Laws of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from benchmarks.own_programs.build import (
    add,
    cat,
    conv,
    cut,
    einsum,
    flip,
    matmul,
    mul,
    pad,
    permute,
    reshape,
    select,
    stack,
    sum_of,
)
from benchmarks.own_programs.terms import Term, constant, needs, term


def _biased(result: Term, bias: Sequence[Term]) -> Term:
    return add(result, reshape(bias[0], (1, *bias[0].shape, *[1] * (len(result.shape) - 2)))) if bias else result


def _padded(value: Term, padding: int) -> Term:
    for axis in range(2, len(value.shape)):
        value = pad(value, axis, padding, padding) if padding else value
    return value


def pad_first(one: Term, _: Random) -> Term:
    """Zeros around, then no padding."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs(padding > 0)
    return conv(_padded(value, padding), weight, bias, (stride, 0, dilation, groups))


def cut_after(one: Term, _: Random) -> Term:
    """A stride leaves results out."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs(stride > 1)
    result = conv(value, weight, bias, (1, padding, dilation, groups))
    for axis in range(2, len(result.shape)):
        result = cut(result, axis, 0, result.shape[axis], stride)
    return result


def by_channels(one: Term, random: Random) -> Term:
    """Add convolutions of some channels, or put those for some results together."""
    value, weight, *bias = one.arguments
    needs(one.options[3] == 1)
    axis = random.choice((0, 1))
    length = weight.shape[axis]
    needs(length > 1)
    place = random.randrange(1, length)
    ends = ((0, place), (place, length))
    if axis == 0:
        parts = [conv(value, cut(weight, 0, *end), [cut(b, 0, *end) for b in bias], one.options) for end in ends]
        return cat(parts, 1)
    parts = [conv(cut(value, 1, *end), cut(weight, 1, *end), bias if not end[0] else (), one.options) for end in ends]
    return sum_of(parts)


def by_groups(one: Term, _: Random) -> Term:
    """Groups one after the other."""
    value, weight, *bias = one.arguments
    groups = one.options[3]
    needs(groups > 1)
    inner, outer = weight.shape[1], weight.shape[0] // groups
    parts = []
    for n in range(groups):
        end = n * outer, (n + 1) * outer
        part = cut(value, 1, n * inner, (n + 1) * inner)
        parts.append(conv(part, cut(weight, 0, *end), [cut(b, 0, *end) for b in bias], (*one.options[:3], 1)))
    return cat(parts, 1)


def by_taps(one: Term, random: Random) -> Term:
    """Add what every tap of the kernel gives: a slice of the image, and a matrix."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs(groups == 1)
    value, space, results = _padded(value, padding), len(one.shape) - 2, one.shape[2:]
    letters = "hw"[:space]
    taps: list[tuple[int, ...]] = [(n,) for n in range(weight.shape[2])]
    if space == 2:
        taps = [(v, h) for v in range(weight.shape[2]) for h in range(weight.shape[3])]
    parts = []
    for tap in taps:
        part, matrix = value, weight
        for axis, (offset, count) in enumerate(zip(tap, results, strict=True), 2):
            first = offset * dilation
            part = cut(part, axis, first, first + (count - 1) * stride + 1, stride)
        for offset in tap:
            matrix = select(matrix, 2, offset)
        if random.random() < 0.5:
            parts.append(einsum(f"bi{letters},oi->bo{letters}", part, matrix))
        else:
            parts.append(conv(part, reshape(matrix, (*matrix.shape, *[1] * space)), (), (1, 0, 1, 1)))
    return _biased(sum_of(parts), bias)


def by_unfold(one: Term, random: Random) -> Term:
    """Windows as columns, and a matrix; or windows by views, and einsum."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs(groups == 1)
    outputs = weight.shape[0]
    if len(one.shape) == 4 and weight.shape[2] == weight.shape[3] and random.random() < 0.6:
        columns = term("im2col", (value,), weight.shape[2], stride, padding, dilation)
        matrix = reshape(weight, (outputs, columns.shape[1]))
        way = matmul(matrix, columns) if random.random() < 0.6 else einsum("oi,bil->bol", matrix, columns)
        return _biased(reshape(way, one.shape), bias)
    needs(dilation == 1)
    value, formula = _padded(value, padding), ("bihx,oix->boh", "bihwxy,oixy->bohw")[len(one.shape) - 3]
    for axis in range(2, len(one.shape)):
        value = term("windows", (value,), axis, weight.shape[axis], stride)
    return _biased(einsum(formula, value, weight), bias)


def backwards(one: Term, random: Random) -> Term:
    """Flip image, kernel and result, where the last window ends at the image's end."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, _ = one.options
    axis = random.randrange(2, len(one.shape))
    needs((value.shape[axis] + 2 * padding - dilation * (weight.shape[axis] - 1) - 1) % stride == 0)
    return flip(conv(flip(value, [axis]), flip(weight, [axis]), bias, one.options), [axis])


def transposed(one: Term, _: Random) -> Term:
    """Exchange both axes of image, kernel and result."""
    value, weight, *bias = one.arguments
    needs(len(one.shape) == 4)
    axes = (0, 1, 3, 2)
    return permute(conv(permute(value, axes), permute(weight, axes), bias, one.options), axes)


def by_patches(one: Term, _: Random) -> Term:
    """Where kernel and stride are the same, a Linear on patches."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs((padding, groups) == (0, 1) and (dilation == 1 or stride == 1) and set(weight.shape[2:]) == {stride})
    needs(len(one.shape) == 4)
    batch, outputs, rows, columns = one.shape
    for axis, count in ((2, rows), (3, columns)):
        value = cut(value, axis, 0, count * stride) if value.shape[axis] > count * stride else value
    patches = reshape(value, (batch, value.shape[1], rows, stride, columns, stride))
    size = value.shape[1] * stride**2
    flat = reshape(permute(patches, (0, 2, 4, 1, 3, 5)), (batch, rows * columns, size))
    result = term("linear", (flat, reshape(weight, (outputs, size)), *bias))
    return reshape(permute(result, (0, 2, 1)), one.shape)


def in_one_group(one: Term, _: Random) -> Term:
    """Groups as a kernel that is zero between them."""
    value, weight, *bias = one.arguments
    groups = one.options[3]
    needs(groups > 1)
    outputs, inner = weight.shape[:2]
    rows = []
    for n in range(groups):
        part = cut(weight, 0, n * outputs // groups, (n + 1) * outputs // groups)
        rows.append(pad(part, 1, n * inner, (groups - 1 - n) * inner))
    return conv(value, cat(rows, 0), bias, (*one.options[:3], 1))


def with_image_axis(one: Term, _: Random) -> Term:
    """A convolution along one axis is one along two, of which one is of length 1."""
    value, weight, *bias = one.arguments
    needs(len(one.shape) == 3 and one.options[1] == 0)
    result = conv(reshape(value, (*value.shape, 1)), reshape(weight, (*weight.shape, 1)), bias, one.options)
    return reshape(result, one.shape)


def dilated_kernel(one: Term, _: Random) -> Term:
    """A dilated kernel has zeros between its taps."""
    value, weight, *bias = one.arguments
    stride, padding, dilation, groups = one.options
    needs(dilation > 1 and max(weight.shape[2:]) > 1)
    for axis in range(2, len(weight.shape)):
        length = weight.shape[axis]
        zeros = _zeros(weight, axis)
        taps = [part for n in range(length) for part in (cut(weight, axis, n, n + 1), *[zeros] * (dilation - 1))]
        weight = cat(taps[: (length - 1) * dilation + 1], axis)
    return conv(value, weight, bias, (stride, padding, 1, groups))


def _zeros(value: Term, axis: int) -> Term:
    """Return zeros of the shape of one entry along an axis."""
    return constant(np.zeros((*value.shape[:axis], 1, *value.shape[axis + 1 :])))


def columns_by_taps(one: Term, _: Random) -> Term:
    """Return columns of windows as slices, one a tap, stacked."""
    kernel, stride, padding, dilation = one.options
    value = _padded(one.arguments[0], padding)
    rows, columns = ((length - dilation * (kernel - 1) - 1) // stride + 1 for length in value.shape[2:])
    taps = []
    for v in range(kernel):
        for h in range(kernel):
            part = cut(value, 2, v * dilation, v * dilation + (rows - 1) * stride + 1, stride)
            taps.append(cut(part, 3, h * dilation, h * dilation + (columns - 1) * stride + 1, stride))
    return reshape(stack(taps, 2), one.shape)


def depthwise(one: Term, _: Random) -> Term:
    """A kernel of one, and a channel a group, multiplies channels by numbers."""
    value, weight, *bias = one.arguments
    stride, padding, _, groups = one.options
    needs((stride, padding) == (1, 0) and groups == weight.shape[0] and set(weight.shape[1:]) == {1})
    return _biased(mul(value, reshape(weight, (1, groups, *weight.shape[2:]))), bias)
