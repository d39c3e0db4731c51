"""What operators compute, on arrays of polynomials or of floats: written anew, without torch and without convcheck."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from benchmarks.own_programs.polynomials import Array, Number, checked, filled, product, scaled, total

Options = tuple[Any, ...]


def einsum(formula: str, *operands: Array) -> Array:
    """Sum products of any number of operands; no letter stands twice in one of them."""
    sources, target = formula.split("->")
    letters = target + "".join(sorted({letter for letter in sources if letter.isalpha()} - set(target)))
    result: Array | None = None
    for source, operand in zip(sources.split(","), operands, strict=True):
        order = [source.index(letter) for letter in letters if letter in source]
        lengths = dict(zip(source, operand.shape, strict=True))
        spread = operand.transpose(order).reshape([lengths.get(letter, 1) for letter in letters])
        result = spread if result is None else product(result, spread)
    assert result is not None
    return total(result, range(len(target), len(letters))) if len(letters) > len(target) else result


def matmul(left: Array, right: Array) -> Array:
    """Multiply matrices, over any axes before."""
    if left.ndim < 2 or right.ndim < 2 or left.shape[-1] != right.shape[-2]:
        raise ValueError("no matrices that fit")
    products = product(left[..., :, :, None], right[..., None, :, :])
    return total(products, [products.ndim - 2])


def linear(values: Array, weight: Array, *bias: Array) -> Array:
    """Apply a matrix `[o, i]` to the last axis."""
    if weight.ndim != 2 or values.shape[-1] != weight.shape[1]:
        raise ValueError("a weight that does not fit")
    products = product(values[..., None, :], weight)
    result = total(products, [products.ndim - 1])
    return result + bias[0] if bias else result


def _windows(values: Array, axis: int, kernel: int, stride: int, dilation: int) -> Array:
    """Put windows along an axis in place of it: one axis for their number, and one for what is in them."""
    span = dilation * (kernel - 1) + 1
    if values.shape[axis] < span:
        raise ValueError("no window fits")
    starts = np.arange(0, values.shape[axis] - span + 1, stride)
    return np.take(values, starts[:, None] + dilation * np.arange(kernel), axis=axis)


def pad(values: Array, axis: int, before: int, after: int, mode: str, value: Number) -> Array:
    """Add entries before and after those of an axis."""
    widths = [(before, after) if number == axis % values.ndim else (0, 0) for number in range(values.ndim)]
    if mode == "constant":
        lengths = [length + sum(width) for length, width in zip(values.shape, widths, strict=True)]
        result = filled(lengths, value, values)
        result[tuple(slice(first, first + length) for (first, _), length in zip(widths, values.shape, strict=True))] = (
            values
        )
        return result
    longest = values.shape[axis] - (mode == "reflect")
    if max(before, after) > longest:
        raise ValueError("more around than there is")
    return np.pad(values, widths, mode={"circular": "wrap", "replicate": "edge", "reflect": "reflect"}[mode])  # type: ignore[call-overload, no-any-return]


def conv(values: Array, weight: Array, *rest: Any) -> Array:
    """Slide a kernel over the axes behind the second; `rest` is a bias or none, stride, padding, dilation, groups."""
    *bias, stride, padding, dilation, groups = rest
    space = values.ndim - 2
    channels, outputs = weight.shape[1] * groups, weight.shape[0]
    if weight.ndim != values.ndim or values.shape[1] != channels or outputs % groups:
        raise ValueError("a weight that does not fit")
    for axis in reversed(range(2, 2 + space)):
        values = pad(values, axis, padding, padding, "constant", 0)
        values = _windows(values, axis, weight.shape[axis], stride, dilation)
    values = values.reshape(values.shape[0], groups, channels // groups, *values.shape[2:])
    weight = weight.reshape(groups, outputs // groups, *weight.shape[1:])
    places, taps = "pqr"[:space], "uvw"[:space]
    inner = "".join(place + tap for place, tap in zip(places, taps, strict=True))
    result = einsum(f"bgi{inner},goi{taps}->bgo{places}", values, weight)
    result = result.reshape(values.shape[0], outputs, *result.shape[3:])
    return result + bias[0].reshape(-1, *[1] * space) if bias else result


def im2col(values: Array, kernel: int, stride: int, padding: int, dilation: int) -> Array:
    """Return windows of an image `[b, c, h, w]` as columns: `[b, c * kernel ** 2, places]`."""
    for axis in (3, 2):
        values = pad(values, axis, padding, padding, "constant", 0)
        values = _windows(values, axis, kernel, stride, dilation)
    batch, channels, rows, _, columns, _ = values.shape
    return values.transpose(0, 1, 3, 5, 2, 4).reshape(batch, channels * kernel**2, rows * columns)


def pooled(values: Array, size: int) -> Array:
    """Put windows of `size * size` without overlap behind what is left of an image."""
    for axis in (3, 2):
        values = _windows(values, axis, size, size, 1)
    values = values.transpose(0, 1, 2, 4, 3, 5)
    return values.reshape(*values.shape[:4], size**2)


def pixel_shuffle(values: Array, factor: int) -> Array:
    """Move channels into space."""
    batch, channels, rows, columns = values.shape
    values = values.reshape(batch, channels // factor**2, factor, factor, rows, columns)
    return values.transpose(0, 1, 4, 2, 5, 3).reshape(batch, -1, rows * factor, columns * factor)


def pixel_unshuffle(values: Array, factor: int) -> Array:
    """Move space into channels."""
    batch, channels, rows, columns = values.shape
    values = values.reshape(batch, channels, rows // factor, factor, columns // factor, factor)
    return values.transpose(0, 1, 3, 5, 2, 4).reshape(batch, -1, rows // factor, columns // factor)


def mean(values: Array, axes: Sequence[int], keep: bool) -> Array:
    """Average over axes; thirds would be rounded, and torch could not be compared to the bit."""
    count = math.prod(values.shape[axis] for axis in axes)
    if count & (count - 1):
        raise ValueError("no power of two")
    return scaled(summed(values, axes, keep), Fraction(1, count))


def summed(values: Array, axes: Sequence[int], keep: bool) -> Array:
    """Sum over axes, which are of length 1 afterwards, or left out."""
    result = total(values, axes)
    return result.reshape([1 if n in axes else length for n, length in enumerate(values.shape)]) if keep else result


def masked(values: Array, diagonal: int) -> Array:
    """Set what is above a diagonal of the last two axes to zero."""
    below = np.tri(values.shape[-2], values.shape[-1], diagonal, dtype=bool)
    return np.where(below, values, filled(values.shape, 0, values))


def cumulative(values: Array, axis: int) -> Array:
    """Return sums of all entries up to each one of an axis."""
    parts = [total(values.take(range(end + 1), axis), [axis % values.ndim]) for end in range(values.shape[axis])]
    return np.stack(parts, axis)


def reshaped(values: Array, shape: Sequence[int]) -> Array:
    """Return the entries in another shape, all of whose lengths are given."""
    return values.reshape(shape)


def expanded(values: Array, shape: Sequence[int]) -> Array:
    """Repeat axes of length 1."""
    return np.broadcast_to(values, shape).copy()


def cut(values: Array, axis: int, start: int, stop: int, step: int) -> Array:
    """Return a slice of an axis, not an empty one."""
    if not 0 <= start < stop <= values.shape[axis]:
        raise ValueError("no such slice")
    return values.take(range(start, stop, step), axis)


def selected(values: Array, axis: int, index: int) -> Array:
    """Return one entry of an axis, which is left out."""
    if not 0 <= index < values.shape[axis]:
        raise ValueError("no such entry")
    return np.asarray(values.take(index, axis))


def chunk(values: Array, axis: int, count: int, number: int) -> Array:
    """Return one of `count` parts of equal length."""
    if values.shape[axis] % count:
        raise ValueError("no parts of equal length")
    length = values.shape[axis] // count
    return cut(values, axis, number * length, (number + 1) * length, 1)


def moving_windows(values: Array, axis: int, size: int, step: int) -> Array:
    """Return windows along an axis, with what is in them behind all axes."""
    return np.moveaxis(_windows(values, axis, size, step, 1), axis + 1, -1)


EXACT: dict[str, Callable[..., Array]] = {
    "add": lambda a, b: checked(a + b),
    "sub": lambda a, b: checked(a + -b),
    "mul": product,
    "scale": scaled,
    "shift": lambda a, value: a + filled((), value, a),
    "neg": lambda a: -a,
    "matmul": matmul,
    "linear": linear,
    "conv": conv,
    "permute": lambda a, axes: a.transpose(axes),
    "reshape": reshaped,
    "expand": expanded,
    "slice": cut,
    "chunk": chunk,
    "select": selected,
    "flip": lambda a, axes: np.flip(a, axes),
    "roll": lambda a, shift, axis: np.roll(a, shift, axis),
    "pad": pad,
    "repeat": lambda a, counts: np.tile(a, counts),
    "interleave": lambda a, count, axis: np.repeat(a, count, axis),
    "windows": moving_windows,
    "im2col": im2col,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "sum": summed,
    "mean": mean,
    "cumsum": cumulative,
    "avg_pool": lambda a, size: scaled(total(pooled(a, size), [4]), Fraction(1, size**2)),
    "tril": masked,
}
"""Operators with a fixed number of operands, and their options."""
SEVERAL: dict[str, Callable[..., Array]] = {
    "cat": lambda axis, *parts: np.concatenate(parts, axis),
    "stack": lambda axis, *parts: np.stack(parts, axis),
    "einsum": einsum,
}
"""Operators whose options stand before their operands."""


def apply(operator: str, operands: Sequence[Array], options: Options) -> Array:
    """Compute a polynomial operator.

    Raises:
        ValueError: it does not take such operands.
        TooLargeError: the result is not worth its time.
    """
    result = SEVERAL[operator](*options, *operands) if operator in SEVERAL else EXACT[operator](*operands, *options)
    return np.asarray(result)


def is_polynomial(operator: str) -> bool:
    """Tell whether `apply` computes an operator."""
    return operator in SEVERAL or operator in EXACT
