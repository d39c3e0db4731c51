"""Laws of operators that move entries: what they are made of, and what undoes them."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import numpy as np

from benchmarks.own_programs import build
from benchmarks.own_programs.build import add, cat, cut, expand, flip, mul, pad, permute, reshape, select, stack
from benchmarks.own_programs.terms import Shape, Term, constant, needs, term


def _with(shape: Shape, axis: int, *lengths: int) -> Shape:
    return (*shape[:axis], *lengths, *shape[axis + 1 :])


def _longer(one: Term, random: Random) -> int:
    axes = [axis for axis, length in enumerate(one.shape) if length > 1]
    needs(bool(axes))
    return random.choice(axes)


def undone(one: Term, random: Random) -> Term:
    """Move entries anywhere and back: what is flipped twice is as it was."""
    axis, shape = _longer(one, random), one.shape
    axes = random.sample(range(len(shape)), len(shape))
    ways = (
        lambda: flip(flip(one, [axis]), [axis]),
        lambda: term("roll", (term("roll", (one,), 1, axis),), -1, axis),
        lambda: permute(permute(one, axes), np.argsort(axes).tolist()),
        lambda: reshape(reshape(one, (math.prod(shape),)), shape),
        lambda: cut(pad(one, axis, 1, 2), axis, 1, 1 + shape[axis]),
        lambda: cut(cat([one, one], axis), axis, 0, shape[axis]),
        lambda: build.total(stack([select(stack([one, one], 0), 0, 0)], 0), [0]),
    )
    return random.choice(ways)()


def in_parts(one: Term, random: Random) -> Term:
    """Cut an axis, and put the parts together again."""
    axis = _longer(one, random)
    if random.random() < 0.3:
        return stack([select(one, axis, index) for index in range(one.shape[axis])], axis)
    place = random.randrange(1, one.shape[axis])
    return cat([cut(one, axis, 0, place), cut(one, axis, place, one.shape[axis])], axis)


def permute_twice(one: Term, random: Random) -> Term:
    """Go by another order of axes."""
    axes = random.sample(range(len(one.shape)), len(one.shape))
    return permute(permute(one.arguments[0], axes), [axes.index(axis) for axis in one.options[0]])


def permute_by_einsum(one: Term, _: Random) -> Term:
    """Write an order of axes as einsum."""
    letters = "abcdef"[: len(one.shape)]
    return build.einsum(f"{letters}->{''.join(letters[axis] for axis in one.options[0])}", one.arguments[0])


def reshape_twice(one: Term, _: Random) -> Term:
    """Go by one long axis."""
    return reshape(reshape(one.arguments[0], (math.prod(one.shape),)), one.shape)


def cut_twice(one: Term, _: Random) -> Term:
    """Cut the end first, then the start."""
    (axis, start, stop, step), value = one.options, one.arguments[0]
    if value.operator in ("cat", "stack") and value.options[0] == axis and step == 1:
        return _cut_of_parts(value, axis, start, stop)
    return cut(cut(value, axis, 0, stop), axis, start, stop, step)


def _cut_of_parts(value: Term, axis: int, start: int, stop: int) -> Term:
    needs(value.operator == "cat")
    parts, first = [], 0
    for part in value.arguments:
        last = first + part.shape[axis]
        low, high = max(start, first) - first, min(stop, last) - first
        parts += [cut(part, axis, low, high)] if low < high else []
        first = last
    return cat(parts, axis)


def cut_by_matrix(one: Term, _: Random) -> Term:
    """Take entries of the last axis by a matrix of zeros and ones; so for slices, flips and rolls."""
    axis = one.options[0][0] if one.operator == "flip" else one.options[1] if one.operator == "roll" else one.options[0]
    value = one.arguments[0]
    needs(axis == len(value.shape) - 1 and len(value.shape) > 1)
    columns = list(range(value.shape[axis]))
    if one.operator == "flip":
        columns = columns[::-1]
    elif one.operator == "roll":
        columns = np.roll(columns, one.options[0]).tolist()
    else:
        columns = columns[slice(*one.options[1:])]
    return build.matmul(value, constant(np.eye(value.shape[axis])[:, columns]))


def chunk_as_cut(one: Term, _: Random) -> Term:
    """A part is a slice."""
    axis, _, number = one.options
    length = one.shape[axis]
    return cut(one.arguments[0], axis, number * length, (number + 1) * length)


def select_as_cut(one: Term, _: Random) -> Term:
    """One entry is a slice of length one."""
    (axis, index), value = one.options, one.arguments[0]
    if value.operator == "stack" and value.options[0] == axis:
        return value.arguments[int(index)]
    return reshape(cut(value, axis, index, index + 1), one.shape)


def flip_by_entries(one: Term, _: Random) -> Term:
    """Put entries together from the last to the first."""
    axis, value = one.options[0][0], one.arguments[0]
    if value.operator == "cat" and value.options[0] == axis:
        return cat([flip(part, [axis]) for part in reversed(value.arguments)], axis)
    return stack([select(value, axis, index) for index in reversed(range(value.shape[axis]))], axis)


def roll_as_cat(one: Term, _: Random) -> Term:
    """What leaves at one end comes in at the other."""
    (shift, axis), value = one.options, one.arguments[0]
    place = -shift % value.shape[axis]
    needs(place > 0)
    return cat([cut(value, axis, place, value.shape[axis]), cut(value, axis, 0, place)], axis)


def pad_as_cat(one: Term, random: Random) -> Term:
    """What is around is one more part."""
    (axis, before, after, mode, number), value = one.options, one.arguments[0]
    length = value.shape[axis]
    if mode == "constant":
        if number and random.random() < 0.5:
            return term("shift", (pad(term("shift", (value,), -number), axis, before, after),), number)
        edges = [constant(np.full(_with(value.shape, axis, width), number)) for width in (before, after) if width]
        return cat([*edges[: before > 0], value, *edges[before > 0 :]], axis)
    first, last = {
        "circular": (range(length - before, length), range(after)),
        "replicate": ([0] * before, [length - 1] * after),
        "reflect": (range(before, 0, -1), range(length - 2, length - 2 - after, -1)),
    }[mode]
    return cat([*(cut(value, axis, n, n + 1) for n in first), value, *(cut(value, axis, n, n + 1) for n in last)], axis)


def cat_as_sum(one: Term, _: Random) -> Term:
    """Parts with zeros around them are added."""
    (axis,), result, start = one.options, None, 0
    for part in one.arguments:
        end = start + part.shape[axis]
        padded = pad(part, axis, start, one.shape[axis] - end)
        result, start = padded if result is None else add(result, padded), end
    assert result is not None
    return result


def stack_as_cat(one: Term, _: Random) -> Term:
    """A new axis first, then parts one behind the other."""
    (axis,) = one.options
    return cat([reshape(part, (*part.shape[:axis], 1, *part.shape[axis:])) for part in one.arguments], axis)


def stack_elsewhere(one: Term, _: Random) -> Term:
    """Stack in front, and move the axis."""
    (axis,) = one.options
    needs(axis > 0)
    return permute(stack(one.arguments, 0), [*range(1, axis + 1), 0, *range(axis + 1, len(one.shape))])


def windows_by_place(one: Term, random: Random) -> Term:
    """Stack windows, or what is at one place of them all."""
    (axis, size, step), value = one.options, one.arguments[0]
    count = one.shape[axis]
    if random.random() < 0.5:
        stop = (count - 1) * step + 1
        return stack([cut(value, axis, tap, tap + stop, step) for tap in range(size)], len(value.shape))
    order = [n for n in range(len(value.shape)) if n != axis] + [axis]
    parts = [cut(value, axis, n * step, n * step + size) for n in range(count)]
    return stack([permute(part, order) for part in parts], axis)


def repeat_as_cat(one: Term, _: Random) -> Term:
    """Copies are parts."""
    axis = next((n for n, count in enumerate(one.options[0]) if count > 1), 0)
    return cat(list(one.arguments) * one.options[0][axis], axis)


def interleave_as_expand(one: Term, _: Random) -> Term:
    """Copies along a new axis, which is merged."""
    (count, axis), value = one.options, one.arguments[0]
    longer = reshape(value, _with(value.shape, axis, value.shape[axis], 1))
    return reshape(expand(longer, _with(value.shape, axis, value.shape[axis], count)), one.shape)


def expand_as_product(one: Term, _: Random) -> Term:
    """Multiply by ones."""
    return mul(one.arguments[0], constant(np.ones(one.shape)))


def shuffle_by_axes(one: Term, _: Random) -> Term:
    """Split axes, move them, and merge others."""
    (factor,), value = one.options, one.arguments[0]
    batch, channels, rows, columns = value.shape
    if one.operator == "pixel_shuffle":
        split = reshape(value, (batch, channels // factor**2, factor, factor, rows, columns))
        return reshape(permute(split, (0, 1, 4, 2, 5, 3)), one.shape)
    split = reshape(value, (batch, channels, rows // factor, factor, columns // factor, factor))
    return reshape(permute(split, (0, 1, 3, 5, 2, 4)), one.shape)


def sum_by_entries(one: Term, random: Random) -> Term:
    """Add the entries of an axis, or multiply by ones."""
    (axes, keep), value = one.options, one.arguments[0]
    axis, shape = axes[0], value.shape
    if axis == len(shape) - 1 and len(shape) > 1 and random.random() < 0.5:
        return reshape(build.matmul(value, constant(np.ones((shape[axis], 1)))), one.shape)
    if random.random() < 0.5:
        place = max(1, shape[axis] // 2)
        needs(place < shape[axis])
        return add(*(build.total(cut(value, axis, *ends), axes, keep) for ends in ((0, place), (place, shape[axis]))))
    parts = [select(value, axis, index) for index in range(shape[axis])]
    return reshape(build.sum_of(parts), one.shape)


def mean_as_sum(one: Term, _: Random) -> Term:
    """A mean is a multiple of a sum."""
    (axes, keep), value = one.options, one.arguments[0]
    return build.scale(build.total(value, axes, keep), Fraction(1, math.prod(value.shape[axis] for axis in axes)))


def cumsum_by_matrix(one: Term, _: Random) -> Term:
    """Sums up to a place are a product with a triangle of ones."""
    (axis,), value = one.options, one.arguments[0]
    if axis == len(one.shape) - 1 and len(one.shape) > 1:
        return build.matmul(value, constant(np.triu(np.ones((one.shape[axis],) * 2))))
    return stack([build.total(cut(value, axis, 0, n + 1), [axis]) for n in range(one.shape[axis])], axis)


def tril_as_mask(one: Term, _: Random) -> Term:
    """A triangle is a product with zeros and ones."""
    return mul(one.arguments[0], constant(np.tri(one.shape[-2], one.shape[-1], int(one.options[0]))))


def pool_by_mean(one: Term, random: Random) -> Term:
    """A pool is a mean of axes, or four images added."""
    (size,), value = one.options, one.arguments[0]
    batch, channels, rows, columns = one.shape
    if (rows * size, columns * size) == value.shape[2:] and random.random() < 0.5:
        return term("mean", (reshape(value, (batch, channels, rows, size, columns, size)),), (3, 5), False)
    taps = [(v, h) for v in range(size) for h in range(size)]
    images = [cut(cut(value, 2, v, rows * size, size), 3, h, columns * size, size) for v, h in taps]
    return build.scale(build.sum_of(images), Fraction(1, size**2))
