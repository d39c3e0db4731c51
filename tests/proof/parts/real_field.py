"""A field in which the functions that stand in graphs are what they are, so that rules can be held against torch."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts.fields import Field, Numbers, Whole


class Real(Field):
    """Computes in float64 at one sample."""

    def __init__(self) -> None:
        super().__init__(1)

    def run(self, function: Any, arguments: Any, degree: int, absolute: Any = None, *, adds: bool = False) -> Any:
        result = function(*(_value(one) for one in arguments))
        return [Numbers((one,)) for one in result] if isinstance(result, (list, tuple)) else Numbers((result,))

    def lift(self, value: Tensor | float, *, inverse: bool = False) -> Numbers:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        return Numbers((1 / tensor if inverse else tensor,), 0)

    def whole(self, value: Whole) -> Numbers:
        return Numbers((value.samples[0].double(),), 0)

    def scalar(self, value: float) -> Any:
        return value

    def function(self, name: str, *arguments: Numbers, differentiable: bool = True) -> Numbers:
        word, _, rest = name.partition(" ")
        inputs = [one.samples[0] for one in arguments]
        if word == "clamp":
            low, high = (None if one == "None" else float(one) for one in rest.split())
            return Numbers((inputs[0].clamp(low, high),))
        if word in ("gt", "lt", "ge", "le", "eq", "ne") or word in ("max", "min"):
            others = inputs[1:] or [torch.tensor(float(rest), dtype=torch.float64)]
            word = {"max": "maximum", "min": "minimum"}.get(word, word)
            return Numbers((getattr(torch, word)(inputs[0], *others).double(),))
        if name == "1 / x":
            return Numbers((1 / inputs[0],))
        if word == "power":
            return Numbers((inputs[0] ** float(rest),))
        if rest:
            return Numbers((getattr(torch.ops.aten, word)(*inputs, **literal_eval(rest)),))
        return Numbers((getattr(torch, word)(*inputs),))

    def of_all(self, name: str, x: Numbers, dims: Sequence[int]) -> Numbers:
        function: Callable[..., Tensor] = getattr(torch, name)
        return Numbers((function(x.samples[0], list(dims), keepdim=True),))


def _value(one: Any) -> Any:
    if isinstance(one, (list, tuple)):
        return [_value(inner) for inner in one]
    return one.samples[0] if isinstance(one, (Numbers, Whole)) else one
