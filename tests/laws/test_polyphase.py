"""The polyphase identity holds exactly, for every small kernel, stride, padding and output_padding."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.func import functional_call

from convcheck.catalogue.catalogue import catalogue
from convcheck.errors import ShapeError
from convcheck.layers import ConvTranspose, parse_layer

LENGTHS = (1, 2, 5)
CHANNELS = (2, 3)


def combinations() -> list[tuple[int, int, int, int, int]]:
    """Return (length, kernel, stride, padding, output_padding) for all that torch takes."""
    settings = product(LENGTHS, range(1, 8), range(1, 5), range(3))
    return [(*setting, more) for setting in settings for more in range(setting[2]) if outputs(*setting, more) > 0]


def outputs(length: int, kernel: int, stride: int, padding: int, more: int) -> int:
    return stride * (length - 1) + kernel - 2 * padding + more


def by_definition(x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int, length: int) -> torch.Tensor:
    """Spread every input over the outputs with nothing but integer additions, and cut."""
    kernel = weight.shape[-1]
    y = torch.zeros(weight.shape[1], stride * (x.shape[-1] - 1) + kernel + padding + length, dtype=torch.int64)
    for n in range(x.shape[-1]):
        y[:, stride * n : stride * n + kernel] += (x[:, n, None, None] * weight).sum(0)
    return y[:, padding : padding + length]


@pytest.mark.parametrize("stride", range(1, 5))
def test_every_phase_of_every_kernel_is_exact_on_whole_numbers(stride: int) -> None:
    rewrite = catalogue()["conv-depthtospace"]
    generator = torch.Generator().manual_seed(stride)
    for length, kernel, _, padding, more in (each for each in combinations() if each[2] == stride):
        layer = parse_layer(
            f"ConvTranspose1d({CHANNELS[0]}, {CHANNELS[1]}, {kernel}, stride={stride}, padding={padding}, "
            f"output_padding={more}, bias=False)"
        )
        x = torch.randint(-99, 100, (CHANNELS[0], length), generator=generator)
        weight = torch.randint(-99, 100, (*CHANNELS, kernel), generator=generator)
        assert not rewrite.refuse(layer, (tuple(x.shape),)), layer
        with torch.device("meta"):
            module = rewrite.build(layer, (tuple(x.shape),))
        parameters = rewrite.transplant(layer, (tuple(x.shape),)).forward({"weight": weight})
        y = functional_call(module, parameters, (x,))
        expected = by_definition(x, weight, stride, padding, outputs(length, kernel, stride, padding, more))
        assert torch.equal(y, expected), f"{layer} on {list(x.shape)}"


def test_all_that_torch_takes_is_covered() -> None:
    """The combinations left out are just those whose output would be empty."""
    everything = [
        (*setting, more)
        for setting in product(LENGTHS, range(1, 8), range(1, 5), range(3))
        for more in range(setting[2])
    ]
    taken = []
    for length, kernel, stride, padding, more in everything:
        layer = ConvTranspose(
            "ConvTranspose1d", 1, 1, (kernel,), (stride,), (padding,), (more,), 1, False, (1,), "zeros"
        )
        try:
            layer.output_shape((1, length))
        except ShapeError:
            continue
        taken.append((length, kernel, stride, padding, more))
    assert taken == combinations()
    assert len(taken) > 550
