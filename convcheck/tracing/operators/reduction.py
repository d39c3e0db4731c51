"""Operators that sum, multiply or average along axes, or add up what lands in one place."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, added, first_moved, multiplied, scaled_down, size


def _mean(call: Call) -> Known:
    return scaled_down(first_moved(call), size(call.shape("self")) // max(1, call.output.numel()))


def _prod(call: Call) -> Known:
    return multiplied(*[call.tensors[0]] * (size(call.shape("self")) // max(1, call.output.numel())))


def _cumprod(call: Call) -> Known:
    shape = call.shape("self")
    return multiplied(*[call.tensors[0]] * (shape[call["dim"]] if shape else 1))


OPERATORS = {
    **dict.fromkeys(["sum", "cumsum", "trace", "sum_to_size", "col2im"], Operator(added)),
    "mean": Operator(_mean),
    "prod": Operator(_prod),
    "cumprod": Operator(_cumprod),
}
