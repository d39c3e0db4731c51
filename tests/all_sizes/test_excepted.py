"""Where both sides do not run, though every axis alone may be so long, is said of a proof."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convcheck


class Raising(nn.Module):
    """Doubles its input, of shapes at which it does not raise."""

    def __init__(self, where: Callable[[torch.Size], bool] = lambda _: False) -> None:
        super().__init__()
        self.where = where

    def forward(self, x: Tensor) -> Tensor:
        if self.where(x.shape):
            raise ValueError("not of this shape")
        return x * 2


EXCEPTED = {
    "where input.1 >= 31": lambda shape: shape[1] > 30,
    "where input.1 mod 3 = 1": lambda shape: shape[1] % 3 == 1,
    "where input.1 + input.2 >= 21": lambda shape: shape[1] + shape[2] > 20,
    "such as at input.0=2 input.1=9 input.2=2": lambda shape: shape[1] in (9, 13, 17),
}


@pytest.mark.parametrize(("words", "where"), EXCEPTED.items(), ids=EXCEPTED)
@pytest.mark.parametrize("raise_both", [False, True])
def test_sizes_at_which_both_do_not_run_are_excepted(
    words: str, where: Callable[[torch.Size], bool], raise_both: bool
) -> None:
    reference = Raising(where) if raise_both else Raising()
    sizes = convcheck.verify(reference, (2, 5, 5), candidate=Raising(where), all_sizes=True).sizes
    assert (sizes.status, sizes.excepted) == ("proved", words)
    assert sizes.raises.reference is None
    assert (sizes.raises.candidate is None) == raise_both


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (lambda shape: shape[1] % 5 > 0, (5, 5, None)),
        (lambda shape: shape[1] < 5, (None, 5, None)),
        (lambda shape: shape[1] != 5, (None, None, 5)),
    ],
)
def test_what_an_axis_alone_says_is_no_exception(
    where: Callable[[torch.Size], bool], said: tuple[int | None, int | None, int | None]
) -> None:
    sizes = convcheck.verify(Raising(), (2, 5, 5), candidate=Raising(where), all_sizes=True).sizes
    assert (sizes.status, sizes.excepted) == ("proved", None)
    assert (sizes.divisible.get("input.1"), sizes.free.get("input.1"), sizes.fixed.get("input.1")) == said
