"""What options and configs say alike: a dtype, a device, a seed, a tolerance's number."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Literal, cast, get_args

from convcheck.errors import UsageError, nearest, shown
from convcheck.sizes.limits import MAX_INT64

DType = Literal["float64", "float32", "bfloat16", "float16"]
DTYPES: tuple[str, ...] = get_args(DType)

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "float64": ("double", "fp64", "f64", "FP64", "F64"),
    "float32": ("float", "single", "fp32", "f32", "FP32", "F32"),
    "bfloat16": ("bf16", "BF16"),
    "float16": ("half", "fp16", "f16", "FP16", "F16"),
}
# A bare name is torch's own attribute, with its package or without.
_NAMES = {
    package + word: name for name, words in _SPELLINGS.items() for word in (name, *words) for package in ("", "torch.")
}

OTHER_DTYPES = tuple(word for word in _NAMES if word not in DTYPES)
"""Other spellings of the same dtypes: those of torch, and the usual abbreviations."""

DEVICE = r"cpu|cuda(:[0-9]{1,3})?"


def check_dtype(value: object) -> str:
    """Return the one name of a dtype, which may be spelt as in OTHER_DTYPES, or be torch's own object.

    Raises UsageError if it is none that can be verified.
    """
    word = str(value) if type(value).__name__ == "dtype" else value
    if not isinstance(word, str) or word not in _NAMES:
        near = nearest(word, DTYPES) if isinstance(word, str) else ""
        like = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{shown(value)} is no dtype; there are: {', '.join(DTYPES)}{like}")
    return _NAMES[word]


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


def check_threads(values: list[int]) -> list[int]:
    """Return numbers of threads, each once. Raises UsageError if the machine does not have so many."""
    most = os.cpu_count() or 1
    for value in values:
        if not 1 <= value <= most:
            raise UsageError(f"{value} is no number of threads; this machine runs 1 to {most} at a time")
    return list(dict.fromkeys(values))


PROOF_SECONDS = 30.0
"""The seconds that a proof for all sizes may take."""


def check_proof_seconds(value: object) -> float:
    """Return the seconds that a proof may take. Raises UsageError if it is no number above 0."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 < number <= MAX_INT64:
        raise UsageError(f"{shown(value)} is no time for a proof; it must be a number of seconds above 0, such as 30")
    return float(number)


def check_bytes(value: object) -> int:
    """Return a number of bytes that is written such as `500MB` or `4GiB`. Raises UsageError for anything else."""
    found = re.fullmatch(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?:([KMGT])(i?))?B?\s*", str(value), re.IGNORECASE)
    if found is None or float(found[1]) == 0:
        raise UsageError(f"{shown(value)} is no size of memory; write it with a unit, such as 500MB or 4GiB")
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** (" KMGT".index(prefix.upper()) if prefix else 0))


def check_select(value: object) -> str | int:
    """Return which output is meant: a number, or a name. Raises UsageError if it is neither."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,4}\s*", value):
        return int(value)
    number = isinstance(value, int) and not isinstance(value, bool)
    if number or (isinstance(value, str) and value):
        return cast("str | int", value)
    raise UsageError(f"{shown(value)} is no output; write its number in a tuple, such as 0, or its name in a dict")


def check_bound(value: object) -> float:
    """Return a tolerance's number. Raises UsageError if it is not finite, or below 0."""
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise UsageError(f"{shown(value)} is no tolerance; it must be a number from 0 to 1.8e308, such as 1e-6")
    return number
