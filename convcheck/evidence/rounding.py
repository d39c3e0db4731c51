"""How far two correct computations may be apart in a floating-point dtype, and how far they are.

Entry by entry, with K products in a sum, `mag = |W| * |x| + |b|`, u_acc the unit roundoff of the accumulator and u_out
that of the output's dtype:

    |error| <= 2 * c * lambda * sqrt(K) * u_acc * mag  +  what each side's roundings to the dtype add

The first term is N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019, theorem 3.1,
with lambda = 6, for each of the two sums. In a chain of c sums, of K1, K2, ... products, the error of each reaches the
output through the magnitudes of the others, and none is longer than K = K1 * K2 * ...: hence the factor c.

A rounding of a value v to the dtype adds u_out * |v|, or half the smallest positive number s where v is below the
normal range. So a side adds

    u_out * |y|                  where one accumulation does it all,
    u_out * (|y - b| + |y|)      where the product is stored, and the bias added to it,
    u_out * R * mag              where R partial sums are stored, since mag bounds every one of them,

and s/2 for every rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.layers import Roundings
from convcheck.patterns import Shape
from convcheck.results import Deviation, Sides, Worst

LAMBDA = 6.0

TF32_UNIT_ROUNDOFF = 2.0**-11
"""TensorFloat-32 keeps ten bits of every factor's significand."""


@dataclass(frozen=True)
class Arithmetic:
    """The unit roundoffs of a dtype on a device. `note` says what a user would not expect of it."""

    accumulator: float
    output: float
    smallest: float
    note: str | None = None


def arithmetic(dtype: torch.dtype, device: torch.device) -> Arithmetic:
    """Return the unit roundoffs with which torch computes in `dtype` on `device`.

    Half precision accumulates in float32 on the CPU. CUDA may reduce half precision in itself, and run float32 as TF32;
    both are settings of torch.backends, and said.
    """
    info = torch.finfo(dtype)
    output, smallest = info.eps / 2, info.smallest_normal * info.eps
    accumulator = min(output, torch.finfo(torch.float32).eps / 2)
    if device.type == "cuda" and dtype == torch.float32 and _tf32():
        return Arithmetic(TF32_UNIT_ROUNDOFF, output, smallest, "TF32 is on: factors keep 11 bits, as the bound knows")
    if device.type == "cuda" and _reduced(dtype):
        return Arithmetic(output, output, smallest, f"{dtype} is reduced in itself on CUDA, as the bound knows")
    return Arithmetic(accumulator, output, smallest)


def _tf32() -> bool:
    try:
        return bool(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
    except RuntimeError:
        # torch refuses the old names once the new ones were used; those say it an operation at a time.
        modes = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]  # torch >= 2.9
        return any(mode.fp32_precision == "tf32" for mode in modes)


def _reduced(dtype: torch.dtype) -> bool:
    matmul = torch.backends.cuda.matmul
    if dtype == torch.bfloat16:
        return bool(matmul.allow_bf16_reduced_precision_reduction)
    return dtype == torch.float16 and bool(matmul.allow_fp16_reduced_precision_reduction)


@dataclass(frozen=True)
class Truth:
    """The reference in float64: its output, what of that is bias, and the sum of the magnitudes of its products."""

    output: Tensor
    bias: Tensor
    magnitude: Tensor


def bound(
    unit: Arithmetic, terms: int, sums: int, truth: Truth, outputs: Sides[Tensor], roundings: Sides[Roundings]
) -> Tensor:
    """Return the largest error that rounding explains, for every entry. All tensors are float64, of one shape.

    `sums` is how many sums are chained; `terms` the most products in one output.
    """
    limit = 2 * sums * LAMBDA * math.sqrt(terms) * unit.accumulator * truth.magnitude
    for output, rounded in ((outputs.reference, roundings.reference), (outputs.candidate, roundings.candidate)):
        times = rounded.sums + int(rounded.bias_apart)
        if rounded.sums > 1:
            size = times * truth.magnitude
        else:
            size = rounded.sums * torch.maximum(output.abs(), truth.output.abs())
            if rounded.bias_apart:
                size = size + (truth.output - truth.bias).abs()
        limit = limit + unit.output * size + times * unit.smallest / 2
    return limit


def deviation(outputs: Sides[Tensor], limit: Tensor, unit: Arithmetic) -> Deviation:
    """Measure how far the outputs are apart, against `limit` entry by entry. All tensors are float64, of one shape."""
    reference, candidate = outputs.reference, outputs.candidate
    error = (reference - candidate).abs()
    # NaN first: argmax takes it for the largest, which is where a reader should look.
    at = torch.unravel_index(error.argmax(), error.shape)
    seen = float(reference[at])
    ratio = torch.where(error == 0, 0.0, error / limit)
    worst = torch.unravel_index(ratio.argmax(), ratio.shape)
    relative = torch.where(error == 0, 0.0, error / reference.abs())
    return Deviation(
        max_abs=finite(error[at]),
        at=_index(at),
        max_rel=finite(relative.max()),
        bound=finite(limit[at]),
        ratio=finite(ratio.max()),
        ulp=finite(error[at] / spacing(seen, unit)) if math.isfinite(seen) else None,
        worst=Worst(_index(worst), Sides(finite(reference[worst]), finite(candidate[worst])), finite(limit[worst])),
    )


def _index(at: tuple[Tensor, ...]) -> Shape:
    return tuple(int(i) for i in at)


def within(outputs: Sides[Tensor], limit: Tensor) -> bool:
    """Tell whether every entry is within its limit. NaN is not, and neither is infinity, even against itself."""
    error = (outputs.reference - outputs.candidate).abs()
    return bool((error <= limit).all())


def spacing(value: float, unit: Arithmetic) -> float:
    """Return the distance from |value| to the next larger number of the dtype: one unit in the last place."""
    if value == 0:
        return unit.smallest
    _, exponent = math.frexp(value)
    return max(math.ldexp(2 * unit.output, exponent - 1), unit.smallest)


def rms(output: Tensor, truth: Tensor) -> float:
    """Return the root mean square of `output - truth`."""
    return float((output - truth).square().mean().sqrt())


def finite(value: Tensor | float) -> float | None:
    """Return a number that JSON can hold, or None for NaN and infinity."""
    number = float(value)
    return number if math.isfinite(number) else None
