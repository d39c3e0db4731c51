"""The precision in which torch computes: that of a dtype, and what settings of torch.backends make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

import torch

FLOAT32_FACTORS = {"tf32": 2.0**-11, "bf16": 2.0**-8}
"""The unit roundoffs of the factors of float32 products where torch is told to be fast, by torch's word for the mode.
`bf16` is such a mode, and not the dtype bfloat16."""

LAMBDA = 6.0
"""Of N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019, theorem 3.1: a sum of n
terms exceeds its bound in at most 2 n exp(-lambda^2 / 2)."""

_SINGLE = torch.finfo(torch.float32).eps / 2


@dataclass(frozen=True)
class Arithmetic:
    """The unit roundoffs of a dtype on a device, and the smallest and the largest number that the dtype holds.

    `normal` is the smallest number of the normal range; `smallest_sum` and `normal_sum` are those of the accumulator.
    Where this processor was told to flush, the smallest float64 is a normal one. `factor` is the unit roundoff of the
    factors of products, where they are rounded before they are multiplied. `flushed` is the number below which others
    may be lost whole, 0 where the platform flushes none. `constants` is by how much more of themselves constants of the
    code are off that float32 does not hold. `notes` say what a user would not expect.
    """

    accumulator: float
    output: float
    smallest: float
    largest: float
    normal: float
    smallest_sum: float
    normal_sum: float
    factor: float = 0.0
    notes: tuple[str, ...] = ()
    flushed: float = 0.0
    constants: float = 0.0

    @property
    def underflow(self) -> float:
        """The most that storing a number below the normal range loses: half of the smallest number, or all of it."""
        return self.flushed or _half(self.smallest)

    @property
    def sum_underflow(self) -> float:
        """The most that a product below the normal range loses in the accumulator; if flushed, its sum does, too."""
        return 2 * self.normal_sum if self.flushed else _half(self.smallest_sum)

    def flushing(self) -> Arithmetic:
        """Return the arithmetic of a platform that flushes what is below the normal range to zero."""
        return replace(self, flushed=self.normal)


def _smallest(info: torch.finfo) -> float:
    return info.smallest_normal * info.eps or info.smallest_normal


def _half(smallest: float) -> float:
    # Half of the smallest float64 is none.
    return smallest / 2 or smallest


def arithmetic(dtype: torch.dtype, device: torch.device) -> Arithmetic:
    """Return the unit roundoffs with which torch computes in `dtype` on `device`, as it is set up now.

    Half precision accumulates in float32. torch may be told to round the factors of float32 products to TF32 or
    bfloat16, and to accumulate half precision in itself; these settings are read, and stand in `notes`.
    """
    info = torch.finfo(dtype)
    modes = dict(_float32_modes(device)) if dtype == torch.float32 else {}
    narrow = list(_narrow_accumulators(dtype, device))
    notes = [f"{setting} is {mode}: factors of float32 products keep fewer bits" for setting, mode in modes.items()]
    notes += [f"{setting} is on: sums of {info.dtype} may be kept in {info.dtype}" for setting in narrow]
    output, wide = info.eps / 2, info if narrow or info.bits >= 32 else torch.finfo(torch.float32)
    return Arithmetic(
        accumulator=output if narrow else min(output, _SINGLE),
        output=output,
        smallest=_smallest(info),
        largest=info.max,
        normal=info.smallest_normal,
        smallest_sum=_smallest(wide),
        normal_sum=wide.smallest_normal,
        factor=max((FLOAT32_FACTORS[mode] for mode in modes.values()), default=0.0),
        notes=tuple(f"reduced precision: {note}, as the bound knows" for note in notes),
    )


def _float32_modes(device: torch.device) -> Iterator[tuple[str, str]]:
    """Yield (setting, mode) where torch rounds the factors of float32 products to fewer bits."""
    settings = {
        "cuda": {
            "torch.backends.cudnn.conv.fp32_precision": "torch.backends.cudnn.allow_tf32",
            "torch.backends.cuda.matmul.fp32_precision": "torch.backends.cuda.matmul.allow_tf32",
        },
        "cpu": {"torch.backends.mkldnn.conv.fp32_precision": "", "torch.backends.mkldnn.matmul.fp32_precision": ""},
    }
    for setting, before in settings.get(device.type, {}).items():
        mode = _read(setting)
        if mode is None and before and _read(before):
            # torch before 2.9 has this switch instead.
            setting, mode = before, "tf32"
        if mode in FLOAT32_FACTORS:
            yield setting, str(mode)


def _narrow_accumulators(dtype: torch.dtype, device: torch.device) -> Iterator[str]:
    """Yield the settings under which sums of half precision are accumulated, or reduced, in half precision."""
    matmul = "torch.backends.cuda.matmul."
    settings = {
        (torch.bfloat16, "cuda"): (f"{matmul}allow_bf16_reduced_precision_reduction",),
        (torch.float16, "cuda"): (
            f"{matmul}allow_fp16_reduced_precision_reduction",
            f"{matmul}allow_fp16_accumulation",
        ),
        (torch.float16, "cpu"): ("torch._C._get_cpu_allow_fp16_reduced_precision_reduction",),
    }
    for setting in settings.get((dtype, device.type), ()):
        value = _read(setting)
        if value() if callable(value) else value:
            yield setting


def _read(setting: str) -> object:
    """Return a setting of torch by its name; None where this torch has no such setting."""
    try:
        return attrgetter(setting.removeprefix("torch."))(torch)
    except (AttributeError, RuntimeError):
        return None
