"""Layers with windows as texts, drawn from random numbers: convolutions, transposed ones and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

Shape = tuple[int, ...]

STYLES = ("any", "any", "tiles", "point", "three", "depthwise", "grouped", "dilated", "padded", "same", "strided")
MODES = ("zeros", "zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Window:
    """A layer with windows. `more` holds arguments that no length depends on."""

    kind: str
    channels: tuple[int, int] | None
    kernel: Shape
    stride: Shape
    padding: Shape | str
    dilation: Shape
    more: tuple[str, ...] = ()
    output_padding: Shape = ()

    def __str__(self) -> str:
        words = [str(each) for each in self.channels or ()]
        words += [f"kernel_size={_short(self.kernel)}", f"stride={_short(self.stride)}"]
        words += [f"padding={self.padding if isinstance(self.padding, str) else _short(self.padding)}"]
        words += [f"dilation={_short(self.dilation)}"] if self.kind != "AvgPool" else []
        words += [f"output_padding={_short(self.output_padding)}"] if self.output_padding else []
        return f"{self.kind}{len(self.kernel)}d({', '.join([*words, *self.more])})"

    @property
    def pads(self) -> Shape:
        """How much is padded on either side of every axis."""
        return (0,) * len(self.kernel) if isinstance(self.padding, str) else self.padding

    def output(self, shape: Sequence[int]) -> Shape:
        """Return the shape of the output; lengths below 1 are no lengths."""
        dims = len(self.kernel)
        lead = tuple(shape[:-dims])
        if self.channels:
            lead = (*lead[:-1], self.channels[1])
        return (*lead, *(self._length(axis, n) for axis, n in enumerate(shape[-dims:])))

    def _length(self, axis: int, length: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1)
        if self.kind == "ConvTranspose":
            more = self.output_padding[axis] if self.output_padding else 0
            return (length - 1) * self.stride[axis] - 2 * self.pads[axis] + reach + more + 1
        if self.padding == "'same'":
            return length
        return (length + 2 * self.pads[axis] - reach - 1) // self.stride[axis] + 1

    def space(self, random: Random, most: int = 4) -> Shape:
        """Draw the lengths of an input: as short as can be, or up to `most` longer."""
        if self.kind == "ConvTranspose":
            return tuple(random.randint(1, 4) + pad for pad in self.pads)
        least = (d * (k - 1) + 1 - 2 * p for k, d, p in zip(self.kernel, self.dilation, self.pads, strict=True))
        return tuple(max(1, n, p + 1) + random.randint(0, most) for n, p in zip(least, self.pads, strict=True))


def _short(values: Shape) -> str:
    return str(values[0]) if len(set(values)) == 1 else str(values)


def numbers(random: Random, dims: int, least: int, most: int) -> Shape:
    """Draw a number for every axis."""
    return tuple(random.randint(least, most) for _ in range(dims))


def conv(random: Random, dims: int = 0, into: int = 0, style: str = "") -> Window:
    """Draw a convolution of some style."""
    dims, style = dims or random.choice((1, 2, 2, 2, 3)), style or random.choice(STYLES)
    groups = random.choice((2, 3)) if style == "grouped" else 1
    into = into or groups * random.choice((1, 2, 2, 3))
    groups = into if style == "depthwise" else groups if into % groups == 0 else 1
    out = groups * random.choice((1, 2, 2, 3))
    kernel, stride = numbers(random, dims, 1, 4 if dims < 3 else 3), numbers(random, dims, 1, 3)
    padding: Shape | str = (0,) * dims if random.random() < 0.5 else numbers(random, dims, 0, 2)
    dilation = (1,) * dims if random.random() < 0.6 else numbers(random, dims, 1, 3)
    if style in ("tiles", "point", "three", "same"):
        dilation = (1,) * dims
    if style in ("tiles", "point"):
        kernel, padding = (1,) * dims if style == "point" else numbers(random, dims, 1, 3), (0,) * dims
        stride = kernel if style == "tiles" else stride
    if style == "three":
        kernel, stride = (3,) * dims, (1,) * dims
    if style in ("same", "dilated"):
        stride = (1,) * dims
    if style == "same":
        padding = "'same'"
    if style == "dilated":
        dilation = numbers(random, dims, 2, 3)
    if style == "padded":
        padding = numbers(random, dims, 1, 3)
    if style == "strided":
        stride = tuple(k + random.choice((-1, 1, 2)) if k > 1 else 2 for k in kernel)
    return Window("Conv", (into, out), kernel, stride, padding, dilation, _rest(random, groups, random.choice(MODES)))


def transposed(random: Random, dims: int = 0, into: int = 0) -> Window:
    """Draw a transposed convolution: a tiling, or any."""
    dims = dims or random.choice((1, 2, 2, 3))
    groups = random.choice((1, 1, 2)) if not into else 1
    into = into or groups * random.choice((1, 2, 2, 3))
    kernel = numbers(random, dims, 1, 4 if dims < 3 else 3)
    stride, rest = numbers(random, dims, 1, 3), _rest(random, groups)
    channels = (into, groups * random.randint(1, 3))
    if random.random() < 0.35:
        return Window("ConvTranspose", channels, kernel, kernel, (0,) * dims, (1,) * dims, rest)
    padding, dilation = numbers(random, dims, 0, 1), numbers(random, dims, 1, random.choice((1, 2)))
    more = tuple(random.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
    return Window("ConvTranspose", channels, kernel, stride, padding, dilation, rest, more)


def _rest(random: Random, groups: int, mode: str = "zeros") -> tuple[str, ...]:
    words = [f"groups={groups}"] * (groups > 1) + [f"padding_mode='{mode}'"] * (mode != "zeros")
    return (*words, *["bias=False"] * (random.random() < 0.3))


def pool(random: Random, dims: int = 0) -> Window:
    """Draw a pool; its kernel bounds its padding."""
    dims, kind = dims or random.choice((1, 2, 2, 3)), random.choice(("MaxPool", "AvgPool"))
    kernel, stride = numbers(random, dims, 1, 3), numbers(random, dims, 1, 3)
    padding = tuple(random.randint(0, k // 2) for k in kernel)
    dilation = numbers(random, dims, 1, 2) if kind == "MaxPool" and random.random() < 0.3 else (1,) * dims
    more = ("ceil_mode=True",) if random.random() < 0.3 else ()
    return Window(kind, None, kernel, stride, padding, dilation, more)
