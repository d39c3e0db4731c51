"""Fourier transforms: linear, with constants that are rounded."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, first_moved, inexact


def _transformed(call: Call) -> Known:
    return inexact(first_moved(call), "is a transform, whose constants are roots of unity")


OPERATORS = dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c", "fft_fft", "fft_ifft"), Operator(_transformed))
