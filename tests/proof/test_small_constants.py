"""A constant that is tiny beside large integers is seen beside small ones, whatever is tolerated in the asked dtype."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import Tensor, nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case, Tolerance
from convcheck.layers import parse_layer
from convcheck.proof.verification import verify
from convcheck.results import Kind, Result

CASES = {
    "patchify-linear": "Conv2d(3, 8, 4, stride=4)",
    "windows-sum": "Conv2d(3, 8, 3)",
    "linear-unpatchify": "ConvTranspose2d(3, 4, 2, stride=2)",
    "fold-batchnorm": "Sequential(Conv2d(3, 4, 1), BatchNorm2d(4))",
    "fft": "Conv1d(2, 3, 3)",
}


def with_constant(name: str, constant: float) -> Result:
    """Verify a rewrite whose candidate adds a constant to its output; a tolerance would let it through."""
    rewrite = catalogue()[name]

    def candidate(*given: object) -> nn.Module:
        module = rewrite.candidate(*given)
        module.register_forward_hook(lambda _module, _inputs, output: add(output, constant))
        return module

    layer = parse_layer(CASES[name])
    case = Case("case", layer, layer.example_inputs(), (name,), tolerance=Tolerance(1.0, 0.0))
    return verify(Claim(case, name, replace(rewrite, candidate=candidate), ()))


def add(output: Tensor, constant: float) -> Tensor:
    return output + constant


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("constant", [1e-6, -(2.0**-20), 0.25])
def test_a_constant_makes_a_difference(name: str, constant: float) -> None:
    assert with_constant(name, 0.0).verdict == "equal"
    result = with_constant(name, constant)
    assert result.verdict == "different"
    assert not [text for text in map(str, result.reasons) if "a scale" in text]


def test_a_constant_is_named_where_small_numbers_show_it() -> None:
    (cause, *_) = with_constant("patchify-linear", 0.25).reasons
    assert cause.kind is Kind.DIFFERENCE
    assert "one number a channel, as of a bias: 0.25 in channel 0" in cause.text
