"""The walk over models' prints, on a small one: what agrees, what is not read, and what would be wrong is seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.macs_of_counters import LAYERS, ONE_KERNEL, counted, flop_counter
from benchmarks.model_prints import Model
from benchmarks.printed_models import look
from convcheck.layers import parse_layer


class Liar(nn.Linear):
    """Prints more features than it makes."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., :-1]

    def _get_name(self) -> str:
        return "Linear"


class Odd(nn.Module):
    """Of a kind that nobody knows."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def _net() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.PReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        Liar(8, 5),
        Odd(),
    )


def test_a_walk_sees_what_agrees_what_is_not_read_and_what_is_wrong() -> None:
    report = look(Model("net", _net, lambda: {"0": torch.zeros(2, 3, 8, 8)}), "own")
    assert (report.leaves.agree, report.leaves.unread, report.leaves.wrong) == (5, 1, 1)
    assert (report.chains.agree, report.chains.unread) == (1, 1)
    assert report.wholes.unread == 1
    assert "unknown layer 'Odd'" in next(iter(report.wholes.why))
    assert "net 3: Linear(in_features=8, out_features=5, bias=True)" in report.leaves.faults[0]


def test_of_a_model_that_is_read_parameters_are_right() -> None:
    report = look(Model("net", lambda: _net()[:3], lambda: {"0": torch.zeros(2, 3, 8, 8)}), "own")
    assert (report.leaves.agree, report.chains.agree, report.wholes.agree) == (5, 2, 1)


@pytest.mark.parametrize(("text", "shapes"), LAYERS, ids=[text for text, _ in LAYERS])
def test_macs_are_those_of_torch_but_for_one_kernel(text: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    layer = parse_layer(text)
    theirs = counted(flop_counter, layer, shapes)
    assert layer.macs(*shapes) == theirs or (layer.kind in ONE_KERNEL and theirs == 0)
