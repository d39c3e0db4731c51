"""Operators as people write them in torch: several ways for most, of which one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random

from benchmarks.own_programs.terms import Term

Spell = Callable[[Term, Sequence[str]], Sequence[str]]


def spelled(one: Term, names: Sequence[str], random: Random) -> str:
    """Return an expression for a term whose arguments have names."""
    return random.choice(SPELLINGS[one.operator](one, names))


def listed(values: object) -> str:
    """Return nested tuples as lists."""
    return f"[{', '.join(map(listed, values))}]" if isinstance(values, tuple) else str(values)


def _add(one: Term, names: Sequence[str]) -> list[str]:
    left, right = names
    ways = [f"{left} + {right}", f"torch.add({left}, {right})"]
    if one.arguments[0].shape == one.shape:
        ways.append(f"{left}.clone().add_({right})")
    return ways


def _scale(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (factor,) = names, one.options
    number = str(factor) if factor.denominator == 1 else repr(float(factor))
    ways = [f"{x} * {number}", f"{number} * {x}"]
    if factor and (1 / factor).denominator == 1:
        ways.append(f"{x} / {1 / Fraction(factor)}")
    return ways


def _matmul(one: Term, names: Sequence[str]) -> list[str]:
    left, right = names
    ways = [f"{left} @ {right}", f"torch.matmul({left}, {right})"]
    dimensions = [len(argument.shape) for argument in one.arguments]
    if dimensions == [2, 2]:
        ways.append(f"torch.mm({left}, {right})")
    if dimensions == [3, 3] and one.arguments[0].shape[0] == one.arguments[1].shape[0]:
        ways.append(f"torch.bmm({left}, {right})")
    return ways


def _permute(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (axes,) = names, one.options
    ways = [f"{x}.permute{tuple(axes)}", f"torch.permute({x}, {tuple(axes)})"]
    moved = [number for number, axis in enumerate(axes) if number != axis]
    if len(moved) == 2:
        ways += [f"{x}.transpose({moved[0]}, {moved[1]})"] * 2
    letters = "abcdef"[: len(axes)]
    target = " ".join(letters[axis] for axis in axes)
    return [*ways, f'rearrange({x}, "{" ".join(letters)} -> {target}")']


def _reshape(one: Term, names: Sequence[str]) -> list[str]:
    (x,), before, shape = names, one.arguments[0].shape, one.shape
    ways = [f"{x}.reshape{shape}", f"torch.reshape({x}, {shape})", f"{x}.contiguous().view{shape}"]
    for first in range(len(before)):
        for last in range(first + 1, len(before)):
            merged = (*before[:first], _count(before[first : last + 1]), *before[last + 1 :])
            if merged == shape:
                ways += [f"{x}.flatten({first}, {last})"] * 2
    for axis in range(len(before)):
        length = len(shape) - len(before) + 1
        if length > 1 and (*before[:axis], *shape[axis : axis + length], *before[axis + 1 :]) == shape:
            ways += [f"{x}.unflatten({axis}, {shape[axis : axis + length]})"] * 2
    ways += [f"{x}.unsqueeze({axis})" for axis in range(len(shape)) if (*shape[:axis], *shape[axis + 1 :]) == before]
    return ways


def _count(shape: Sequence[int]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


def _slice(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (axis, start, stop, step) = names, one.options
    length = one.arguments[0].shape[axis]
    first = "" if not start else str(start)
    last = "" if stop == length else str(stop if stop < length - 1 else stop - length)
    cut = f"{first}:{last}" + (f":{step}" if step > 1 else "")
    ways = [f"{x}[{':, ' * axis}{cut}]"]
    if axis == len(one.shape) - 1:
        ways.append(f"{x}[..., {cut}]")
    if step == 1:
        ways.append(f"{x}.narrow({axis}, {start}, {stop - start})")
    return ways


def _chunk(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (axis, count, number) = names, one.options
    ways = [f"{x}.chunk({count}, dim={axis})[{number}]", f"{x}.split({one.shape[axis]}, dim={axis})[{number}]"]
    return [*ways, f"torch.tensor_split({x}, {count}, dim={axis})[{number}]"]


def _select(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (axis, index) = names, one.options
    ways = [f"{x}[{':, ' * axis}{index}]", f"{x}.select({axis}, {index})", f"{x}.unbind({axis})[{index}]"]
    return [*ways, f"{x}.index_select({axis}, torch.tensor([{index}])).squeeze({axis})"]


def _pad(one: Term, names: Sequence[str]) -> list[str]:
    (x,), (axis, before, after, mode, value) = names, one.options
    widths = ", ".join(["0, 0"] * (len(one.shape) - 1 - axis) + [f"{before}, {after}"])
    how = f', mode="{mode}"' if mode != "constant" else f", value={value}" if value else ""
    return [f"F.pad({x}, ({widths}){how})"]


def _einsum(one: Term, names: Sequence[str]) -> list[str]:
    (formula,) = one.options
    spaced = formula.replace(",", ", ").replace("->", " -> ")
    return [f'torch.einsum("{text}", {", ".join(names)})' for text in (formula, spaced)]


def _summed(word: str) -> Spell:
    def ways(one: Term, names: Sequence[str]) -> list[str]:
        (x,), (axes, keep) = names, one.options
        axis = axes[0] if len(axes) == 1 else tuple(axes)
        dimension = ", keepdim=True" if keep else ""
        return [f"{x}.{word}({axis}{dimension})", f"torch.{word}({x}, dim={axis}{dimension})"]

    return ways


def _conv(one: Term, names: Sequence[str]) -> list[str]:
    stride, padding, dilation, groups = one.options
    given = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    written = [f"{name}={value}" for name, value in given.items() if value != (0 if name == "padding" else 1)]
    return [f"F.conv{len(one.shape) - 2}d({', '.join([*names, *written])})"]


def _im2col(one: Term, names: Sequence[str]) -> list[str]:
    kernel, stride, padding, dilation = one.options
    return [f"F.unfold({names[0]}, {kernel}, dilation={dilation}, padding={padding}, stride={stride})"]


SPELLINGS: dict[str, Spell] = {
    "constant": lambda one, names: [f"{names[0]}.new_tensor({listed(one.options[0])})"],
    "add": _add,
    "sub": lambda _, names: [" - ".join(names), f"torch.sub({', '.join(names)})"],
    "mul": lambda _, names: [" * ".join(names), f"torch.mul({', '.join(names)})"],
    "scale": _scale,
    "shift": lambda one, names: [f"{names[0]} + {one.options[0]}", f"{one.options[0]} + {names[0]}"],
    "neg": lambda _, names: [f"-{names[0]}", f"torch.neg({names[0]})"],
    "matmul": _matmul,
    "linear": lambda _, names: [f"F.linear({', '.join(names)})"],
    "conv": _conv,
    "permute": _permute,
    "reshape": _reshape,
    "expand": lambda one, names: [f"{names[0]}.expand{one.shape}", f"torch.broadcast_to({names[0]}, {one.shape})"],
    "slice": _slice,
    "chunk": _chunk,
    "select": _select,
    "flip": lambda one, names: [f"{names[0]}.flip{one.options[0]}", f"torch.flip({names[0]}, {one.options[0]})"],
    "roll": lambda one, names: [f"torch.roll({names[0]}, {one.options[0]}, dims={one.options[1]})"],
    "pad": _pad,
    "repeat": lambda one, names: [f"{names[0]}.repeat{one.options[0]}", f"torch.tile({names[0]}, {one.options[0]})"],
    "interleave": lambda one, names: [f"{names[0]}.repeat_interleave({one.options[0]}, dim={one.options[1]})"],
    "windows": lambda one, names: [f"{names[0]}.unfold{one.options}"],
    "im2col": _im2col,
    "pixel_shuffle": lambda one, names: [f"F.pixel_shuffle({names[0]}, {one.options[0]})"],
    "pixel_unshuffle": lambda one, names: [f"F.pixel_unshuffle({names[0]}, {one.options[0]})"],
    "sum": _summed("sum"),
    "mean": _summed("mean"),
    "cumsum": lambda one, names: [f"{names[0]}.cumsum({one.options[0]})"],
    "avg_pool": lambda one, names: [f"F.avg_pool2d({names[0]}, {one.options[0]})"],
    "tril": lambda one, names: [f"torch.tril({names[0]}, {one.options[0]})"],
    "cat": lambda one, names: [f"torch.cat([{', '.join(names)}], dim={one.options[0]})"],
    "stack": lambda one, names: [f"torch.stack([{', '.join(names)}], dim={one.options[0]})"],
    "einsum": _einsum,
    "relu": lambda _, names: [f"F.relu({names[0]})", f"torch.relu({names[0]})"],
    "gelu": lambda one, names: [f'F.gelu({names[0]}, approximate="{one.options[0]}")'],
    "softmax": lambda one, names: [f"{names[0]}.softmax({one.options[0]})", f"F.softmax({names[0]}, {one.options[0]})"],
    "layer_norm": lambda one, names: [f"F.layer_norm({names[0]}, ({one.shape[-1]},), eps={one.options[0]})"],
    "max_pool": lambda one, names: [f"F.max_pool2d({names[0]}, {one.options[0]})"],
}  # fmt: skip
