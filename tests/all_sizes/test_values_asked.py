"""Code that asks for values from some size on is not proved there, whether it raises or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convcheck


class Scaled(nn.Module):
    """The inputs times a weight; from nine rows on as `beyond` has it."""

    def __init__(self, beyond: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.beyond = beyond

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale if x.shape[0] < 9 else self.beyond(x, self.scale)


def _or_raise(x: Tensor, _scale: Tensor) -> Tensor:
    if float(x.sum()) > -2:
        raise ValueError("a sum that large")
    return x


ASKED = {
    "a list, and another result": lambda x, scale: x * scale.tolist()[0] * 3,
    "a branch on a weight": lambda x, scale: x * scale if scale.tolist()[0] > -1e6 else x,
    "numpy": lambda x, scale: x * float(scale.detach().numpy()[0]),
    "a branch on the input": lambda x, scale: x * scale if float(x.sum()) > -2 else x,
    "an error for some values": _or_raise,
}


@pytest.mark.parametrize("asked", ASKED)
def test_what_asks_for_values_is_never_proved(asked: str) -> None:
    reference, candidate = Scaled(lambda x, scale: x * scale), Scaled(ASKED[asked])
    sizes = convcheck.verify(reference, (2, 5), candidate=candidate, all_sizes=True).sizes
    assert sizes.status in ("refuted", "unknown")
    if sizes.counterexample is not None:
        assert sizes.counterexample.sizes["input.0"] == 9
