"""Operators that take entries by indices, or choose by a mask. Indices and masks say where, and are no variables."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convcheck.tracing.reading import Call, Known, Operator, first_moved, limited, multiplied, number, summed


def _written(*names: str) -> Operator:
    """Return an operator that writes one tensor into another; other tensors say where."""

    def read(call: Call) -> Known:
        return summed(*(call.known(name) for name in names))

    return Operator(read, scalars=("value", "self", "other"), plain=_PLAIN)


_PLAIN = ("index", "indices", "mask", "condition")


def _scaled_add(call: Call) -> Known:
    alpha = number(1 if call["alpha"] is None else call["alpha"])
    return summed(call.known("self"), multiplied(call.known("source"), alpha))


def _sharp(values: Tensor, largest: Tensor, total: Tensor) -> Tensor:
    """Return `largest` in the shape of `values`, with the gradient of `total`: as if every index were the same."""
    spread = total - total.detach() + largest
    return spread.expand_as(values)


def _taken(call: Call) -> Known:
    return limited(first_moved(call))


def _rows(weight: Tensor, indices: Tensor, *_: Any, **__: Any) -> Tensor:
    values = weight[indices]
    return _sharp(values, weight.amax(0), weight.sum(0))


OPERATORS = {
    "embedding": Operator(_taken, _rows, plain=_PLAIN),
    **dict.fromkeys(["index", "index_select", "gather", "take", "take_along_dim"], Operator(_taken, plain=_PLAIN)),
    **dict.fromkeys(("_unsafe_index", "masked_select"), Operator(_taken, plain=_PLAIN)),
    "where": _written("self", "other"),
    "masked_fill": _written("self", "value"),
    "masked_scatter": _written("self", "source"),
    "scatter": Operator(
        lambda call: summed(call.known("self"), call.known("src"), call.known("value")),
        scalars=("value",),
        plain=_PLAIN,
    ),
    "scatter_add": _written("self", "src"),
    "index_put": _written("self", "values"),
    "_unsafe_index_put": _written("self", "values"),
    "index_copy": _written("self", "source"),
    "index_fill": _written("self", "value"),
    "index_add": Operator(_scaled_add, scalars=("alpha",), plain=_PLAIN),
}
