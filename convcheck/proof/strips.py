"""Computes a large convolution in float64 in strips, since torch lays out all of its windows at once.

In float64 torch copies what every window reads into a matrix (im2col), nine times the image for a kernel of 3x3; in
float32 it has kernels that need none. Within `in_strips` that is done for some windows after the others, forwards and
backwards. A sum has the same products as before: of whole numbers that are added up exactly it is bit-identical, and
others may be added up in another order, which is within any bound of their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.proof.batch import MANY, STRIP, are_many
from convcheck.proof.strip import Strip
from convcheck.sizes.patterns import Shape

FORWARD = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default


def in_strips(products: int) -> AbstractContextManager[object]:
    """Return a context that computes large convolutions in strips; none where there are few products.

    All windows of a convolution have no more values than it has products.
    """
    return Strips() if products > MANY else nullcontext()  # type: ignore[no-untyped-call]


class Strips(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    """The mode of torch that does so."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else torch loads its compiler, with sympy, where the first operator comes: a second, and 80 MB.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what an operator returns."""
        if func is FORWARD and not kwargs:
            given, weight, bias, *settings = args
            convolution = Convolution(weight, *settings)
            if convolution.is_large(given):
                return convolution.forward(given, bias)
        if func is BACKWARD and not kwargs:
            slope, given, weight, _, *settings, wanted = args
            convolution = Convolution(weight, *settings)
            if convolution.is_large(given):
                return convolution.backward(slope, given, wanted)
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Convolution:
    """The arguments of a convolution as torch's operator has them."""

    weight: Tensor
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    transposed: bool
    output_padding: Sequence[int]
    groups: int

    def is_large(self, given: Tensor) -> bool:
        """Tell whether torch would lay out many windows."""
        dims = given.dim() - 2
        plain = given.dtype == torch.float64 and given.device.type == "cpu" and type(given) is Tensor
        # torch takes one number for all axes as well, as `torch.nn.grad` gives it.
        settings = (self.stride, self.padding, self.dilation, self.output_padding)
        if not plain or any(len(setting) != dims for setting in settings):
            return False
        # A kernel of one position reads the tensor as it lies.
        taps = math.prod(self.weight.shape[2:])
        return taps > 1 and are_many(given.shape[0] * self._values_of_entry(given), given.numel())

    def forward(self, given: Tensor, bias: Tensor | None) -> Tensor:
        """Return the output for an input."""
        output = given.new_zeros(self._output_shape(given))
        if any(map(_has_channels_last, (given, self.weight))):
            # As of torch: of images the output lies in memory as they do, or as the weight does.
            output = output.contiguous(memory_format=torch.channels_last)
        for strip in self._strips(given):
            part = (strip.at_windows if self.transposed else strip.at_places)(given)
            values = FORWARD(part, self.weight, None if self.transposed else bias, *self._settings(strip))
            if self.transposed:
                strip.add(output, values)
            else:
                strip.at_windows(output).copy_(values)
        if self.transposed and bias is not None:
            output += bias.reshape(-1, *[1] * (given.dim() - 2))
        return output

    def backward(
        self, slope: Tensor, given: Tensor, wanted: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the gradients of input, weight and bias that are wanted."""
        of_given = torch.zeros_like(given) if wanted[0] else None
        of_weight = torch.zeros_like(self.weight) if wanted[1] else None
        of_bias = slope.sum([0, *range(2, slope.dim())]) if wanted[2] else None
        for strip in self._strips(given):
            at = (strip.at_places, strip.at_windows) if self.transposed else (strip.at_windows, strip.at_places)
            tensors = (part(tensor) for part, tensor in zip(at, (slope, given), strict=True))
            slopes = BACKWARD(*tensors, self.weight, None, *self._settings(strip), [*wanted[:2], False])
            if of_given is not None and self.transposed:
                strip.at_windows(of_given).copy_(slopes[0])
            elif of_given is not None:
                strip.add(of_given, slopes[0])
            if of_weight is not None:
                of_weight += slopes[1]
        return of_given, of_weight, of_bias

    def _values_of_entry(self, given: Tensor) -> int:
        """Return how many values the windows of an entry of the batch have, of one group."""
        return math.prod(self.weight.shape[1:]) * math.prod(self._windows(given))

    def _windows(self, given: Tensor) -> Shape:
        """Return how many windows there are along each axis of positions."""
        return tuple(given.shape[2:]) if self.transposed else self._output_shape(given)[2:]

    def _output_shape(self, given: Tensor) -> Shape:
        taps, places = self.weight.shape[2:], given.shape[2:]
        settings = zip(taps, places, self.stride, self.padding, self.dilation, self.output_padding, strict=True)
        channels = self.weight.shape[1] * self.groups if self.transposed else self.weight.shape[0]
        space = (
            (length - 1) * stride - 2 * padding + dilation * (tap - 1) + 1 + more
            if self.transposed
            else (length + 2 * padding - dilation * (tap - 1) - 1) // stride + 1
            for tap, length, stride, padding, dilation, more in settings
        )
        return (given.shape[0], channels, *space)

    def _strips(self, given: Tensor) -> Iterator[Strip]:
        """Yield strips that have all windows, one after the other, along the axis that has most of them."""
        windows, batch = self._windows(given), given.shape[0]
        longest = max(windows)
        number = windows.index(longest)
        values = self._values_of_entry(given)
        entries, step = max(1, STRIP // values), min(longest, max(1, STRIP * longest // values))
        stride, reach = self.stride[number], self.dilation[number] * (self.weight.shape[2 + number] - 1) + 1
        for entry in range(0, batch, entries):
            for start in range(0, longest, step):
                stop = min(start + step, longest)
                first = start * stride - self.padding[number]
                places = (first, first + (stop - 1 - start) * stride + reach)
                yield Strip(2 + number, (entry, min(entry + entries, batch)), (start, stop), places)

    def _settings(self, strip: Strip) -> list[Any]:
        """Return the settings of torch's operator for a strip, which has its padding along its axis."""
        padding, more = list(self.padding), list(self.output_padding)
        padding[strip.axis - 2] = more[strip.axis - 2] = 0
        return [self.stride, padding, self.dilation, self.transposed, more, self.groups]


def _has_channels_last(tensor: Tensor) -> bool:
    last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return last and not tensor.is_contiguous()
