"""A case: one layer, one input, and what is claimed about them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from convcheck.errors import UsageError, shown
from convcheck.layers import Layer
from convcheck.patterns import Group, Pattern, Shape, Shapes
from convcheck.results import Sides, Verdict

DType = Literal["float64", "float32", "bfloat16", "float16"]


DTYPES: tuple[str, ...] = get_args(DType)
LARGEST_SEED = 2**63 - 1
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


def check_dtype(value: object) -> str:
    """Return the name of a dtype. Raises UsageError if it is none that can be verified."""
    if value not in DTYPES:
        raise UsageError(f"{shown(value)} is no dtype; there are: {', '.join(DTYPES)}")
    return str(value)


def check_device(value: object) -> str:
    """Return the name of a device. Raises UsageError if it is not of the form cpu, cuda or cuda:N."""
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise UsageError(f"{shown(value)} is no device; there are: cpu, cuda, cuda:0, cuda:1, ...")
    return value


def check_seed(value: object) -> int:
    """Return a seed. Raises UsageError if it is no whole number from 0 to 2^63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SEED:
        raise UsageError(f"{shown(value)} is no seed; it must be a whole number from 0 to 2^63 - 1")
    return value


def check_bound(value: object) -> float:
    """Return a tolerance's number. Raises UsageError if it is not finite, or below 0."""
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise UsageError(f"{shown(value)} is no tolerance; it must be a number of at least 0, such as 1e-6")
    return number


@dataclass(frozen=True)
class Tolerance:
    """A tolerance of the user's own: `|error| <= atol + rtol * |reference|`."""

    atol: float
    rtol: float


@dataclass(frozen=True)
class WeightFile:
    """Real tensors for the numeric part: by the layer's name for each, its key in a safetensors file."""

    path: str
    written: str
    """The path as the config has it."""
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Expect:
    """What must come out for a case to count as fulfilled."""

    verdict: Verdict = Verdict.EQUAL
    output: Shape | None = None
    params: Sides[int | None] = Sides(None, None)


@dataclass(frozen=True)
class Case:
    """One validated case. `rewrites` is None where all that apply are asked for."""

    name: str
    layer: Layer
    inputs: Shapes
    rewrites: tuple[str, ...] | None = None
    order: Group | None = None
    transplant: Mapping[str, Pattern] = field(default_factory=dict)
    weights: WeightFile | None = None
    dtype: DType = "float32"
    device: str = "cpu"
    seed: int = 0
    tolerance: Tolerance | None = None
    expect: Expect = Expect()
    source: str | None = None
    """`file:line` of the case, None for a layer on the command line."""
    strict: bool = False
    """Whether it is not fulfilled either where the case could not have told a wrong rewrite."""
    config: str | None = None
    """The file that `source` names, as a target of another command line; empty for the one that ships."""


def laid_over(case: Case, **options: object) -> Case:
    """Return the case with the options of a command line laid over it; None stands for one that was not given."""
    given = {key: value for key, value in options.items() if value is not None}
    return replace(case, **given)  # type: ignore[arg-type]  # the keys are fields, by their callers


@dataclass(frozen=True)
class Vocabulary:
    """The rewrites a config may name. It is handed in, so that the config knows no rewrite itself."""

    rewrites: tuple[str, ...]
    orders: Mapping[str, str]
    """The axes of a patch, as a template, for those whose patches may be laid out in any order."""
