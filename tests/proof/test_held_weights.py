"""A candidate's own weights are held against the mapped ones, and what is wrong with them is named."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from einops import rearrange
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn
from typer.testing import Result

import convcheck
from convcheck.errors import ConvcheckError
from convcheck.proof.evidence.held_weights import compare
from convcheck.rewriting.steps import steps_of
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sizes.relayouts import parse_relayout

Change = Callable[[Tensor], Tensor]

MAP = {"2.weight": "weight", "2.bias": "bias"}


def sides() -> tuple[nn.Conv2d, nn.Sequential]:
    torch.manual_seed(0)
    reference = nn.Conv2d(3, 8, 4, stride=4)
    candidate = nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (8, 8)), nn.Conv2d(3, 8, 4, stride=4))
    candidate[2].load_state_dict(reference.state_dict())
    return reference, candidate


def prove(reference: nn.Module, candidate: nn.Module, **more: object) -> convcheck.Result:
    return convcheck.verify(reference, (1, 3, 8, 8), candidate=candidate, weights="own", **{"map": MAP, **more})


def test_the_same_weights_are_equal_and_it_is_noted() -> None:
    result = prove(*sides())
    assert (result.verdict, result.exact.status) == ("equal", "identical")
    told = "the candidate holds what is made of the reference's weights: 2.weight = weight: o i kh kw -> o i kh kw, "
    assert f"{told}2.bias = bias: o -> o" in map(str, result.notes)


def one_entry(weight: Tensor) -> Tensor:
    changed = weight.clone()
    changed[1, 2, 3, 0] = torch.nextafter(changed[1, 2, 3, 0], torch.tensor(1.0))
    return changed


def without_rows(weight: Tensor) -> Tensor:
    return torch.cat([weight[:4], torch.zeros(2, 3, 4, 4), weight[6:]])


def repeated_rows(weight: Tensor) -> Tensor:
    return torch.cat([weight[:6], weight[:2]])


WRONG: dict[str, tuple[Change, str, str]] = {
    "one bit of one entry": (one_entry, "1 of 384 entries differ, the first at [1, 2, 3, 0]", " is held"),
    "a forgotten transpose": (lambda w: w.transpose(2, 3), "288 of 384", "'weight: o i kh kw -> o i kw kh'"),
    "another sign": (lambda w: -w, "384 of 384", "it is -1 times what it should be"),
    "a factor": (lambda w: w * 0.3, "384 of 384", "it is 0.3"),
    "half precision": (lambda w: w.bfloat16().float(), "entries differ", "it was rounded to bfloat16"),
    "a shard of zeros": (without_rows, "96 of 384", "the places 4 to 5 of axis 0, which are zero"),
    "a shard twice": (repeated_rows, "96 of 384", "the places 6 to 7 of axis 0, which hold what belongs to 0 to 1"),
    "zeros": (torch.zeros_like, "384 of 384", "it is zero everywhere"),
    "not a number": (lambda w: w * torch.nan, "384 of 384", "nan is held"),
}


@pytest.mark.parametrize(("change", "count", "why"), WRONG.values(), ids=WRONG.keys())
def test_what_differs_is_named(change: Change, count: str, why: str) -> None:
    reference, candidate = sides()
    with torch.no_grad():
        candidate[2].weight.copy_(change(reference.weight))
    result = prove(reference, candidate)
    assert (result.verdict, result.exact.status) == ("different", "identical")
    (reason,) = map(str, result.reasons)
    assert reason.startswith("2.weight: ")
    assert count in reason
    assert why in reason


def test_swapped_parameters_are_named() -> None:
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    candidate = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    state = reference.state_dict()
    candidate.load_state_dict({**state, "0.weight": state["1.weight"], "1.weight": state["0.weight"]})
    result = convcheck.verify(reference, (2, 4), candidate=candidate, weights="own")
    assert result.verdict == "different"
    first, second = map(str, result.reasons)
    assert first.startswith("0.weight: 16 of 16 entries differ")
    assert first.endswith("it holds what 1.weight should")
    assert second.endswith("it holds what 0.weight should")


def test_a_computed_weight_may_be_rounded_otherwise_but_no_more() -> None:
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 5, 3, bias=False))
    candidate = nn.Conv2d(3, 5, 3, bias=False)
    merged = {"weight": "einsum('o m kh kw, m i x y -> o i kh kw', 1.weight, 0.weight)"}
    outer, inner = reference[1].weight.detach(), reference[0].weight.detach()
    with torch.no_grad():
        candidate.weight.copy_(torch.stack([outer[:, m, None] * inner[m] for m in range(4)]).sum(0))
    assert prove(reference, candidate, map=merged).verdict == "equal"
    with torch.no_grad():
        candidate.weight[2, 1, 0, 2] += 1e-5
    result = prove(reference, candidate, map=merged)
    assert result.verdict == "different"
    assert "1 of 135 entries differ, the first at [2, 1, 0, 2]" in str(result.reasons[0])


def test_another_dtype_is_compared_in_that_of_the_candidate() -> None:
    reference, candidate = sides()
    assert prove(reference, candidate.to(torch.bfloat16)).verdict == "equal"
    assert prove(reference.to(torch.bfloat16), sides()[1]).verdict == "different"


def test_a_number_that_the_candidate_cannot_hold_is_a_difference() -> None:
    reference, candidate = sides()
    with torch.no_grad():
        reference.weight[1, 0, 0, 0] = 1e5
        candidate[2].load_state_dict(reference.state_dict())
    half = candidate.half()
    result = prove(reference, half)
    (reason,) = map(str, result.reasons)
    assert "1 of 384 entries differ, the first at [1, 0, 0, 0]: inf is held, and mapped it is 100000" in reason
    assert reason.endswith("the largest number that float16 holds is 65504")
    assert result.held_weights is not None
    assert result.held_weights["2.weight"].max_abs is None


def test_a_wrong_mapping_comes_first() -> None:
    reference, candidate = sides()
    result = prove(reference, candidate, map={"2.weight": "weight: o i a b -> o i b a", "2.bias": "bias"})
    assert result.verdict == "different"
    assert "the candidate's own weights are not compared: the mapping has to be right first" in map(str, result.notes)


def test_modules_stay_as_they_were() -> None:
    reference, candidate = sides()
    before = [tensor.clone() for module in (reference, candidate) for tensor in module.state_dict().values()]
    prove(reference, candidate)
    after = [tensor for module in (reference, candidate) for tensor in module.state_dict().values()]
    assert all(map(torch.equal, before, after))


def why(made: Tensor, held: Tensor) -> str:
    """Return what explains a tensor that is held in place of the one that a map makes, which is the reference's own."""
    mapping = Transplant((Move("weight", "weight", tuple(made.shape), ()),))
    ((name, one),) = compare(mapping, {"weight": made}, {"weight": held}, {})
    assert (name, one.status) == ("weight", "different")
    return str(one.why)


SHAPES = st.lists(st.integers(2, 5), min_size=1, max_size=4)


@given(st.data())
def test_the_order_of_axes_that_is_told_makes_what_is_held(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    made = torch.randn(shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    order = data.draw(st.permutations(range(len(shape))))
    flips = data.draw(st.sets(st.sampled_from(range(len(shape)))))
    held = made.permute(order).flip(sorted(flips)).reshape(shape)
    assume(not torch.equal(held, made))
    pattern = re.fullmatch(r"it is 'weight: (.*)' of the reference", why(made, held))
    # A tensor whose axes do not fit in their new order is told by its entries, or not at all.
    assume(pattern is not None or tuple(made.permute(order).shape) != tuple(shape))
    if pattern is not None:
        steps = steps_of(parse_relayout(pattern[1]), tuple(shape), {})
        assert torch.equal(Move("weight", "weight", tuple(shape), steps).forward({"weight": made}), held)


@given(st.lists(st.integers(2, 4), min_size=2, max_size=3), st.integers(1, 3), st.data())
def test_an_axis_whose_parts_are_exchanged_is_told_as_what_makes_it(
    parts: list[int], width: int, data: st.DataObject
) -> None:
    """As heads, or rows of several parts, in another order: by its places, or as an axis that is two or three."""
    count = math.prod(parts)
    made = torch.randn((count, width), generator=torch.Generator().manual_seed(0))
    order = data.draw(st.permutations(range(len(parts))))
    held = made.reshape(*parts, width).permute(*order, len(parts)).reshape(count, width)
    assume(not torch.equal(held, made))
    text = why(made, held)
    if pattern := re.fullmatch(r"it is '(.*)' of (what it should be|the reference)", text):
        relayout, *lengths = pattern[1].removeprefix("weight: ").split(", ")
        if "flip" in relayout:
            return
        sizes = {name: int(length) for name, _, length in (text.partition("=") for text in lengths)}
        assert torch.equal(rearrange(made, relayout, **sizes), held)
    else:
        pieces = re.findall(r"(\d+)(?: to (\d+))? hold what belongs to (\d+)", text)
        again = made.clone()
        for first, last, origin in pieces:
            length = int(last or first) - int(first) + 1
            again[int(first) : int(first) + length] = made[int(origin) : int(origin) + length]
        assert pieces
        assert torch.equal(again, held)


@pytest.fixture
def run(convcheck: Callable[..., Result]) -> Callable[..., Result]:
    return convcheck


def test_what_is_text_holds_no_weights(run: Callable[..., Result]) -> None:
    reference, candidate = sides()
    for one, other in (("Conv2d(3, 8, 4, stride=4)", candidate), (reference, "Conv2d(3, 8, 4, stride=4)")):
        with pytest.raises(ConvcheckError, match="a layer as text holds nothing"):
            convcheck.verify(one, (1, 3, 8, 8), candidate=other, weights="own")
    text = ["verify", "Conv2d(3, 8, 4)", "--own-weights"]
    for words, message in (
        (text, "name the other one"),
        ([*text, "--candidate", "Conv2d(3, 8, 4)"], "holds no weights"),
    ):
        refused = run(*words)
        assert (refused.exit_code, message in refused.stderr) == (2, True)
    with pytest.raises(ConvcheckError, match="compares what two modules hold"):
        convcheck.verify(reference, (1, 3, 8, 8), "loops", weights="own")
