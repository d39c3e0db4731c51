"""Operators that take entries by indices, or choose by a mask. Indices and masks say where, and are no variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from convcheck.tracing.reading import Call, Known, Operator, first_moved, limited, multiplied, number, summed

_PLAIN = ("index", "indices", "mask", "condition")


def _taken(call: Call) -> Known:
    return limited(first_moved(call))


def _joined(*names: str) -> Callable[[Call], Known]:
    """Return a reader of an operator that writes one of these tensors or numbers into another, or chooses of them."""

    def read(call: Call) -> Known:
        return summed(*(call.known(name) for name in names))

    return read


def _scaled_add(call: Call) -> Known:
    alpha = number(1 if call["alpha"] is None else call["alpha"])
    return summed(call.known("self"), multiplied(call.known("source"), alpha))


def _any_row(values: Tensor, given: Mapping[str, Any]) -> Tensor:
    return _repeated(values, given["weight"].amax(0), given["weight"].sum(0))


def _any_entry(values: Tensor, given: Mapping[str, Any]) -> Tensor:
    return _repeated(values, given["self"].amax(), given["self"].sum())


def _repeated(values: Tensor, largest: Tensor, total: Tensor) -> Tensor:
    """Return `largest` in the shape of `values`, with the gradient of `total`: whatever is taken, and however often."""
    return (total - total.detach() + largest.detach()).expand_as(values)


def _any_choice(values: Tensor, given: Mapping[str, Any]) -> Tensor:
    """Return the sum of both that there are to choose from."""
    both = given["self"] + (given["other"] if "other" in given else given["value"])
    return torch.as_tensor(both, dtype=values.dtype).expand_as(values)


def _any_place(values: Tensor, given: Mapping[str, Any]) -> Tensor:
    """Return the sum of all that could land in one place."""
    numbers = [torch.as_tensor(one) for one in given.values() if isinstance(one, Tensor) and one.is_floating_point()]
    numbers += [torch.as_tensor(abs(given["value"]))] if isinstance(given.get("value"), (int, float)) else []
    return torch.stack([one.sum() * abs(given.get("alpha", 1)) for one in numbers]).sum().expand_as(values)


def _choosing(*names: str) -> Operator:
    return Operator(_joined(*names), scalars=("self", "other", "value"), plain=_PLAIN, varying=_any_choice)


def _placing(read: Callable[[Call], Known]) -> Operator:
    return Operator(read, scalars=("value", "alpha"), plain=_PLAIN, varying=_any_place)


_TAKING = Operator(_taken, plain=_PLAIN, varying=_any_entry)

OPERATORS = {
    "embedding": Operator(_taken, plain=_PLAIN, varying=_any_row),
    **dict.fromkeys(["index", "index_select", "gather", "take", "take_along_dim"], _TAKING),
    "where": _choosing("self", "other"),
    "masked_fill": _choosing("self", "value"),
    "masked_scatter": _placing(_joined("self", "source")),
    "scatter": _placing(_joined("self", "src", "value")),
    "scatter_add": _placing(_joined("self", "src")),
    "index_put": _placing(_joined("self", "values")),
    "index_copy": _placing(_joined("self", "source")),
    "index_fill": _placing(_joined("self", "value")),
    "index_add": _placing(_scaled_add),
}
