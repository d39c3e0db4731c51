"""Fourier transforms: linear, with constants that are rounded."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, first_moved, inexact


def _transformed(call: Call) -> Known:
    return inexact(first_moved(call), "is a transform, whose constants are roots of unity")


_NAMES = ["_fft_r2c", "_fft_c2r", "_fft_c2c"]
_NAMES += [f"fft_{kind}fft{axes}" for kind in ("", "i", "r", "ir", "h", "ih") for axes in ("", "2", "n")]

OPERATORS = dict.fromkeys(_NAMES, Operator(_transformed))
