"""What options and configs say alike: a dtype, a device, a seed, a tolerance's number."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

from convcheck.errors import UsageError, shown
from convcheck.sizes.limits import MAX_INT64

DType = Literal["float64", "float32", "bfloat16", "float16"]
DTYPES: tuple[str, ...] = get_args(DType)
DEVICE = r"cpu|cuda(:[0-9]+)?"


def check_dtype(value: object) -> str:
    """Return the name of a dtype. Raises UsageError if it is none that can be verified."""
    if value not in DTYPES:
        raise UsageError(f"{shown(value)} is no dtype; there are: {', '.join(DTYPES)}")
    return str(value)


def check_device(value: object) -> str:
    """Return the name of a device. Raises UsageError if it is not of the form cpu, cuda or cuda:N."""
    if not isinstance(value, str) or not re.fullmatch(DEVICE, value):
        raise UsageError(f"{shown(value)} is no device; there are: cpu, cuda, cuda:0, cuda:1, ...")
    return value


def check_seed(value: object) -> int:
    """Return a seed. Raises UsageError if it is no whole number from 0 to 2^63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INT64:
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
