"""How every operator of a program is drawn: its weight among the others, and its operands and options."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.own_programs import build
from benchmarks.own_programs.drawing import FACTORS, Drawing
from benchmarks.own_programs.terms import NoTermError, Term, needs, term

Draw = Callable[[Drawing, Term], Term]


def _axis(random: Random, value: Term, longer: int = 1) -> int:
    """Return an axis that is longer than some length."""
    axes = [axis for axis, length in enumerate(value.shape) if length > longer]
    if not axes:
        raise NoTermError("no axis is long enough")
    return random.choice(axes)


def _linear(drawing: Drawing, value: Term) -> Term:
    outputs = drawing.random.randint(2, 5)
    weight, *bias = drawing.layer("fc", (outputs, value.shape[-1]), drawing.random.random() < 0.5)
    return build.linear(value, weight, bias)


def _conv(drawing: Drawing, value: Term) -> Term:
    random = drawing.random
    needs(len(value.shape) in (3, 4))
    channels = value.shape[1]
    groups = random.choice([n for n in (1, 1, 2, channels) if channels % n == 0])
    outputs = groups * random.randint(1, 4 if groups == 1 else 2)
    kernel = [random.randint(1, min(3, length + 1)) for length in value.shape[2:]]
    options = [random.choice((1, 1, 2)), random.choice((0, 0, 1)), random.choice((1, 1, 1, 2)), groups]
    if random.random() < 0.3:
        # Patches.
        kernel, options[:3] = [2] * len(kernel), [2, 0, 1]
    weight, *bias = drawing.layer("conv", (outputs, channels // groups, *kernel), random.random() < 0.5)
    return build.conv(value, weight, bias, options)


def _matmul(drawing: Drawing, value: Term) -> Term:
    random = drawing.random
    if random.random() < 0.6:
        return build.matmul(value, drawing.parameter((value.shape[-1], random.randint(2, 4))))
    return build.matmul(drawing.parameter((random.randint(2, 4), value.shape[-2])), value)


def _attend(drawing: Drawing, value: Term) -> Term:
    """Multiply a value by itself, or by another one, transposed."""
    others = [one for one in drawing.values if len(one.shape) >= 2 and one.shape[-1] == value.shape[-1]]
    return build.matmul(value, build.swap(drawing.random.choice(others or [value])))


def _einsum(drawing: Drawing, value: Term) -> Term:
    random, letters = drawing.random, "abcd"[: len(value.shape)]
    needs(len(letters) == len(value.shape))
    inner = random.sample(letters, random.randint(1, min(2, len(letters))))
    operand = "".join(inner) + random.choice(("", "x", "x"))
    lengths = dict(zip(letters, value.shape, strict=True), x=random.randint(2, 3))
    rest = [letter for letter in letters if letter not in inner]
    target = rest + [letter for letter in operand if letter == "x" or random.random() < 0.3]
    random.shuffle(target)
    needs(len(target) >= 2)
    weight = drawing.parameter([lengths[letter] for letter in operand])
    return build.einsum(f"{letters},{operand}->{''.join(target)}", value, weight)


def _permute(drawing: Drawing, value: Term) -> Term:
    axes = list(range(len(value.shape)))
    drawing.random.shuffle(axes)
    needs(axes != sorted(axes))
    return build.permute(value, axes)


def _reshape(drawing: Drawing, value: Term) -> Term:
    random, shape = drawing.random, list(value.shape)
    if len(shape) > 2 and random.random() < 0.6:
        first = random.randrange(len(shape) - 1)
        return build.reshape(value, [*shape[:first], shape[first] * shape[first + 1], *shape[first + 2 :]])
    axis = _axis(random, value, 3)
    factors = [n for n in range(2, shape[axis]) if shape[axis] % n == 0]
    needs(bool(factors) and len(shape) < 5)
    factor = random.choice(factors)
    return build.reshape(value, [*shape[:axis], factor, shape[axis] // factor, *shape[axis + 1 :]])


def _cat(drawing: Drawing, value: Term) -> Term:
    axis = drawing.random.randrange(len(value.shape))
    others = [
        one
        for one in drawing.values
        if len(one.shape) == len(value.shape)
        and all(a == b for n, (a, b) in enumerate(zip(one.shape, value.shape, strict=True)) if n != axis)
    ]
    other = drawing.random.choice(others) if others else value
    if other is value:
        part = list(value.shape)
        part[axis] = drawing.random.randint(1, 2)
        other = drawing.parameter(part)
    parts = [value, other]
    drawing.random.shuffle(parts)
    return build.cat(parts, axis)


def _stack(drawing: Drawing, value: Term) -> Term:
    needs(len(value.shape) < 5)
    others = [one for one in drawing.values if one.shape == value.shape and one is not value]
    other = drawing.random.choice(others) if others else build.scale(value, drawing.random.choice(FACTORS))
    parts = [value, other]
    drawing.random.shuffle(parts)
    return build.stack(parts, drawing.random.randrange(len(value.shape) + 1))


def _slice(drawing: Drawing, value: Term) -> Term:
    random, axis = drawing.random, _axis(drawing.random, value, 2)
    start = random.randrange(value.shape[axis] - 1)
    stop = random.randint(start + 1, value.shape[axis])
    needs((start, stop) != (0, value.shape[axis]))
    return build.cut(value, axis, start, stop, random.choice((1, 1, 1, 2)))


def _chunk(drawing: Drawing, value: Term) -> Term:
    axis = _axis(drawing.random, value)
    counts = [n for n in (2, 3) if value.shape[axis] % n == 0]
    needs(bool(counts))
    count = drawing.random.choice(counts)
    parts = [term("chunk", (value,), axis, count, number) for number in range(count)]
    first, second = drawing.random.sample(parts, 2)
    return drawing.random.choice((first, build.mul(first, second), build.sub(first, second)))


def _select(drawing: Drawing, value: Term) -> Term:
    needs(len(value.shape) > 2)
    axis = _axis(drawing.random, value)
    return build.select(value, axis, drawing.random.randrange(value.shape[axis]))


def _windows(drawing: Drawing, value: Term) -> Term:
    return term("windows", (value,), _axis(drawing.random, value, 2), 2, drawing.random.randint(1, 2))


def _pad(drawing: Drawing, value: Term) -> Term:
    random = drawing.random
    axis = random.randrange(1, len(value.shape))
    before, after = random.choice(((0, 1), (1, 0), (1, 1), (2, 1), (0, 2)))
    last = len(value.shape) == 3 and axis == 2
    mode = random.choice(("circular", "replicate", "reflect", "constant")) if last else "constant"
    return term("pad", (value,), axis, before, after, mode, random.choice((0, 0, 0, 1)) if mode == "constant" else 0)


def _expand(drawing: Drawing, value: Term) -> Term:
    lengths = [length if length > 1 else drawing.random.randint(2, 3) for length in value.shape]
    needs(tuple(lengths) != value.shape)
    return build.expand(value, lengths)


def _repeat(drawing: Drawing, value: Term) -> Term:
    counts = [1] * len(value.shape)
    counts[drawing.random.randrange(1, len(counts))] = 2
    return term("repeat", (value,), tuple(counts))


def _image(name: str) -> Draw:
    def drawn(_: Drawing, value: Term) -> Term:
        needs(len(value.shape) == 4)
        return term(name, (value,), 2)

    return drawn


def _im2col(drawing: Drawing, value: Term) -> Term:
    random = drawing.random
    needs(len(value.shape) == 4)
    return term("im2col", (value,), 2, random.randint(1, 2), random.randint(0, 1), 1)


def _sum(name: str) -> Draw:
    def drawn(drawing: Drawing, value: Term) -> Term:
        needs(len(value.shape) > 2)
        axis = _axis(drawing.random, value)
        return term(name, (value,), (axis,), drawing.random.random() < 0.4)

    return drawn


def _tril(drawing: Drawing, value: Term) -> Term:
    needs(min(value.shape[-2:]) > 1)
    return term("tril", (value,), drawing.random.choice((-1, 0, 0, 1)))


DRAWS: dict[str, tuple[int, Draw]] = {
    "linear": (4, _linear),
    "conv": (5, _conv),
    "matmul": (3, _matmul),
    "attend": (1, _attend),
    "einsum": (3, _einsum),
    "permute": (4, _permute),
    "reshape": (4, _reshape),
    "cat": (3, _cat),
    "stack": (2, _stack),
    "slice": (2, _slice),
    "chunk": (3, _chunk),
    "select": (2, _select),
    "flip": (2, lambda d, x: build.flip(x, [_axis(d.random, x)])),
    "roll": (2, lambda d, x: term("roll", (x,), d.random.choice((1, -1, 2)), _axis(d.random, x))),
    "pad": (3, _pad),
    "expand": (1, _expand),
    "repeat": (1, _repeat),
    "interleave": (1, lambda d, x: term("interleave", (x,), 2, d.random.randrange(1, len(x.shape)))),
    "windows": (2, _windows),
    "im2col": (2, _im2col),
    "pixel_shuffle": (2, _image("pixel_shuffle")),
    "pixel_unshuffle": (2, _image("pixel_unshuffle")),
    "avg_pool": (2, _image("avg_pool")),
    "sum": (2, _sum("sum")),
    "mean": (2, _sum("mean")),
    "cumsum": (1, lambda d, x: term("cumsum", (x,), _axis(d.random, x))),
    "tril": (1, _tril),
    "add": (3, lambda d, x: build.add(x, d.like(x.shape))),
    "sub": (2, lambda d, x: build.sub(*d.random.sample((x, d.like(x.shape)), 2))),
    "mul": (3, lambda d, x: build.mul(x, d.like(x.shape))),
    "scale": (2, lambda d, x: build.scale(x, d.random.choice(FACTORS))),
    "shift": (1, lambda d, x: term("shift", (x,), d.random.choice((1, -1, 2)))),
    "neg": (1, lambda _, x: build.neg(x)),
}  # fmt: skip
"""Operators, and how often one is drawn in proportion to others."""


def functions(drawing: Drawing, value: Term, name: str) -> Term:
    """Return a function of a value that is no polynomial."""
    if name == "softmax":
        return term(name, (value,), _axis(drawing.random, value))
    if name == "layer_norm":
        needs(value.shape[-1] > 2)
        return term(name, (value,), 1e-5)
    if name == "gelu":
        return term(name, (value,), drawing.random.choice(("none", "none", "tanh")))
    if name == "max_pool":
        needs(len(value.shape) == 4)
        return term(name, (value,), 2)
    return term(name, (value,))
