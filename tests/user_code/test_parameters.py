"""Parameters of code: nested, tied, frozen, unused, and such that get what does not fit."""

from __future__ import annotations

import re

import pytest
from torch import nn

import convcheck
from convcheck.errors import ConvcheckError
from tests.user_code.modules import pairs

TOKENS = [2, 5, 3]


def notes(result: convcheck.Result) -> list[str]:
    return list(map(str, result.notes))


def test_nested_parameters_have_dotted_names() -> None:
    names = {f"body.0.product.{name}": name for name in ("weight", "bias")}
    assert convcheck.verify(pairs.Product(), TOKENS, candidate=pairs.Nested(), map=names).verdict == "equal"
    back = {name: dotted for dotted, name in names.items()}
    assert convcheck.verify(pairs.Nested(), TOKENS, candidate=pairs.Product(), map=back).verdict == "equal"


def test_what_does_not_fit_is_different_and_what_would_is_suggested() -> None:
    result = convcheck.verify(pairs.Product(), TOKENS, candidate=nn.Linear(3, 4), map={"weight": "bias"})
    assert result.verdict == "different"
    assert str(result.reasons[0]) == "'o -> o' makes weight [4], and the candidate's is [4, 3]"


def test_tied_parameters_are_one() -> None:
    tied, apart = pairs.Tied(), pairs.Tied(tied=False)
    same = convcheck.verify(tied, TOKENS, candidate=pairs.Tied())
    assert (same.verdict, same.params.reference, same.one_to_one) == ("equal", 9, True)
    both = {"first.weight": "first.weight", "second.weight": "first.weight"}
    untied = convcheck.verify(tied, TOKENS, candidate=apart, map=both)
    assert (untied.verdict, untied.one_to_one) == ("equal", False)
    lost = convcheck.verify(apart, TOKENS, candidate=tied)
    assert (lost.verdict, lost.exact.status) == ("different", "different")
    assert "nothing of the candidate is made of the reference's second.weight" in notes(lost)


def test_frozen_parameters_are_parameters() -> None:
    for sides in ((pairs.Frozen(), pairs.Product()), (pairs.Product(), pairs.Frozen())):
        result = convcheck.verify(sides[0], TOKENS, candidate=sides[1])
        assert (result.verdict, result.gradients.weight) == ("equal", "identical")


@pytest.mark.parametrize("candidate", [pairs.Product, pairs.WithHead])
def test_a_parameter_that_no_output_depends_on_is_a_note(candidate: type[nn.Module]) -> None:
    result = convcheck.verify(pairs.WithHead(), TOKENS, candidate=candidate(), strict=True)
    assert (result.verdict, result.ok, result.weaknesses) == ("equal", True, ())
    assert "no output of the reference depends on head.bias, head.weight" in notes(result)
    left_out = "nothing of the candidate is made of the reference's head.weight, head.bias"
    assert (left_out in notes(result)) is (candidate is pairs.Product)


def test_a_parameter_that_outputs_depend_on_is_missed() -> None:
    linear = "Linear(3, 4, bias=False)"
    result = convcheck.verify(pairs.Product(), TOKENS, candidate=linear)
    assert (result.verdict, result.exact.status) == ("different", "different")


UNMAPPED = {
    "nothing": (
        pairs.WithHead,
        {"weight": "weight"},
        "head.weight gets nothing: the reference has no parameter 'head.weight'",
    ),
    "a source that is not there": (pairs.Product, {"weight": "wieght"}, "did you mean 'weight'?"),
    "a name that is not there": (pairs.Product, {"wieght": "weight"}, "wieght: the candidate has no such parameter"),
}


@pytest.mark.parametrize(("candidate", "given", "message"), UNMAPPED.values(), ids=UNMAPPED)
def test_a_parameter_that_gets_nothing_is_named(
    candidate: type[nn.Module], given: dict[str, str], message: str
) -> None:
    with pytest.raises(ConvcheckError, match=re.escape(message)):
        convcheck.verify(pairs.Product(), TOKENS, candidate=candidate(), map=given)
