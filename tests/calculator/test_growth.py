"""A chain is read layer by layer: what one layer takes does not depend on how many came before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest

from convcheck.calculator.formulas import parse_formulas
from convcheck.calculator.shapes import chain, total_of
from convcheck.layers import Layer, parse_layer
from convcheck.report.plain_console import print_to_text
from convcheck.report.tables.shape_table import shape_tables
from convcheck.sizes.patterns import Shape

CHAINS = {
    "convolutions": (["Conv2d(4, 4, 3, padding=1)", "ReLU()"], (1, 4, 32, 32)),
    "windows and their way back": (["Conv1d(4, 4, 2, stride=2)", "ConvTranspose1d(4, 4, 2, stride=2)"], (1, 4, 8)),
    "formulas that stay": (["Conv2d(4, 4, 3, padding=1)"], parse_formulas("b,4,H,W")),
    "formulas that shrink": (["Conv1d(4, 4, 3)", "Tanh()"], parse_formulas("b,4,T")),
}


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called, which is the same on any machine."""
    count = 0

    def profile(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def table(layers: Sequence[Layer], shape: Shape) -> str:
    rows = chain(layers, (shape,))
    return print_to_text(lambda out: shape_tables(rows, total_of(layers, (shape,), rows), out, verbose=True))


@pytest.mark.parametrize(("texts", "shape"), CHAINS.values(), ids=CHAINS)
def test_four_times_as_many_layers_take_about_four_times_as_many_steps(texts: list[str], shape: Shape) -> None:
    layers = [parse_layer(text) for text in texts]
    table(layers * 4, shape)
    few, many = (calls(lambda n=n: table(layers * n, shape)) for n in (10, 40))
    assert many < 4.5 * few
