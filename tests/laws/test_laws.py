"""What holds for every rewrite of the catalogue, on any layer it accepts; and that it refuses nothing without need."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.layers import Layer, parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Verdict
from convcheck.rewriting.steps import NoWayBackError
from convcheck.sides.samples import ones
from convcheck.sides.side import side_of_layer
from convcheck.sizes.patterns import Shapes
from tests.strategies.attentions import drawn_point
from tests.strategies.catalogued import accepted, drawn_for, orders, telling

NAMES = list(catalogue())

# Candidates that multiply elementwise or transform, which torch's counter of operations leaves out.
UNCOUNTED = {"attention-sum", "broadcast-sum", "fft", "loops", "multihead-sum", "windows-sum", "winograd"}

every_rewrite = pytest.mark.parametrize("name", NAMES)


def claim(name: str, layer: Layer, shapes: Shapes, **options: object) -> Claim:
    case = dataclasses.replace(Case("drawn", layer, shapes, (name,)), **options)
    return Claim(case, name, catalogue()[name], ())


@every_rewrite
@given(data=st.data())
def test_integers_are_identical_and_every_dtype_stays_within_its_bound(name: str, data: st.DataObject) -> None:
    layer, shapes = data.draw(accepted(name))
    options = {"order": data.draw(orders(name, layer)), "dtype": data.draw(st.sampled_from(get_args(DType)))}
    result = verify(claim(name, layer, shapes, seed=data.draw(st.integers(0, 99)), **options))
    assert result.verdict is Verdict.EQUAL, result.reason
    assert result.error.ratio is not None
    assert result.error.ratio <= 1
    assert result.exact.status is Agreement.IDENTICAL
    assert result.exact.false_accept is not None
    assert result.exact.false_accept < 1e-9
    assert result.gradients.input is Agreement.IDENTICAL
    for kind in ("weight", "bias"):
        has = any(kind in parameter for parameter in layer.parameters())
        assert getattr(result.gradients, kind) is (Agreement.IDENTICAL if has else Agreement.NOT_APPLICABLE)


@pytest.mark.kernels
@every_rewrite
@given(data=st.data())
def test_shapes_counts_and_the_way_back_are_as_declared(name: str, data: st.DataObject) -> None:
    layer, shapes = data.draw(accepted(name))
    case = claim(name, layer, shapes, order=data.draw(orders(name, layer)))
    pair, transplant = build_pair(case), case.transplant()
    real = {name: tuple(p.shape) for name, p in pair.candidate.module.named_parameters()}
    assert transplant.shapes() == real
    drawn = drawn_point(layer, shapes, dtype=torch.float32)
    own = {name: drawn.parameters[name] for name in layer.parameters()}
    there = transplant.forward(drawn.parameters)
    if transplant.merges():
        with pytest.raises(NoWayBackError, match="cannot be told apart again"):
            transplant.backward(there)
        one_to_one = False
    else:
        back = transplant.backward(there)
        assert own.keys() == back.keys()
        assert all(torch.equal(own[name], back[name]) for name in own)
        one_to_one = sum(p.numel() for p in there.values()) == sum(p.numel() for p in own.values())
    assert transplant.one_to_one() is one_to_one
    assert one_to_one or catalogue()[name].training
    assert tuple(pair.run_candidate(drawn).shape) == layer.output_shape(*shapes)


@pytest.mark.parametrize("name", [name for name in NAMES if not catalogue()[name].holds_when.startswith("always")])
@given(data=st.data())
def test_every_refusal_is_necessary(name: str, data: st.DataObject) -> None:
    """Where a rewrite refuses a layer, building it all the same gives other values or shapes, or torch raises."""
    layer, shapes = data.draw(telling(name))
    refusals = catalogue()[name].refuse(layer, shapes)
    if all(refusal.vacuous for refusal in refusals):
        # None at all, or none about values; of some rewrites there are no others.
        return
    try:
        verdict = verify(claim(name, layer, shapes)).verdict
    except (KeyError, RuntimeError):
        # The weights do not even go together.
        verdict = Verdict.ERROR
    assert verdict in (Verdict.DIFFERENT, Verdict.ERROR), f"{layer} on {shapes} is refused without need"


@every_rewrite
@given(data=st.data())
def test_where_there_is_nothing_to_rewrite_the_rewrite_would_hold(name: str, data: st.DataObject) -> None:
    """A refusal that claims to be about no values is held to it."""
    rewrite = catalogue()[name]
    layer, shapes = data.draw(drawn_for(name))
    refusals = rewrite.refuse(layer, shapes)
    if refusals and all("nothing to rewrite" in str(refusal.need) for refusal in refusals):
        assert verify(claim(name, layer, shapes)).verdict is Verdict.EQUAL


@pytest.mark.parametrize("name", [name for name in NAMES if catalogue()[name].holds_when.startswith("always")])
@given(data=st.data())
def test_what_always_holds_refuses_no_values(name: str, data: st.DataObject) -> None:
    rewrite = catalogue()[name]
    refusals = rewrite.refuse(*data.draw(drawn_for(name)))
    assert all(refusal.vacuous for refusal in refusals)
    assert rewrite.holds_when != "always" or not refusals


@every_rewrite
@given(data=st.data())
def test_macs_are_half_of_torchs_flops_where_torch_counts(name: str, data: st.DataObject) -> None:
    """Torch counts convolutions and matrix products; sums written out, loops and transforms are not in its books."""
    layer, shapes = data.draw(accepted(name))
    pair = build_pair(claim(name, layer, shapes))
    at = ones(side_of_layer(layer, shapes)).mapped(torch.Tensor.detach)
    weights = pair.mapping.forward(at.parameters)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(pair.candidate.module, weights, at.inputs)
    if name not in UNCOUNTED:
        assert 2 * catalogue()[name].macs(layer, *shapes) == counter.get_total_flops()


@every_rewrite
def test_the_example_is_proved(name: str) -> None:
    from convcheck import verify as prove

    rewrite = catalogue()[name]
    assert prove(rewrite.example, rewrite.example_inputs, rewrite=name).verdict == "equal"


ACCEPTED = {
    "padding='valid'": ("Conv2d(3, 4, 2, stride=2, padding='valid')", "patchify-linear"),
    "padding='same' of a 1x1 kernel": ("Conv2d(3, 4, 1, padding='same')", "patchify-linear"),
    "a padding mode without padding": ("Conv2d(3, 4, 2, stride=2, padding_mode='reflect')", "patchify-conv1x1"),
    "dilation along an axis with one tap": ("Conv2d(3, 4, (1, 2), stride=(1, 2), dilation=(3, 1))", "patchify-linear"),
    "groups before a grouped 1x1 conv": ("Conv2d(4, 4, 2, stride=2, groups=2)", "patchify-conv1x1"),
    "depthwise": ("ConvTranspose2d(4, 4, 2, stride=2, groups=4)", "conv1x1-unpatchify"),
}

REFUSED = {
    "padding in numbers": ("Conv2d(3, 4, 16, stride=16, padding=2)", "patchify-linear", "padding is (2, 2)"),
    "padding='same'": ("Conv2d(3, 4, 3, padding='same')", "patchify-linear", "padding is 'same'"),
    "dilation": ("Conv2d(3, 4, 2, stride=2, dilation=2)", "patchify-linear", "dilation is (2, 2)"),
    "overlap": ("Conv2d(3, 4, 7, stride=4)", "patchify-conv1x1", "kernel_size is (7, 7), and needs to equal stride"),
    "gaps": ("Conv2d(3, 4, 2, stride=4)", "patchify-conv1x1", "windows leave gaps"),
    "groups before a Linear": ("Conv2d(4, 4, 2, stride=2, groups=2)", "patchify-linear", "groups is 2"),
    "a layer of another kind": ("Linear(3, 4)", "patchify-linear", "layer is Linear"),
    "output_padding": (
        "ConvTranspose2d(3, 4, 2, stride=2, output_padding=1)",
        "conv1x1-unpatchify",
        "output_padding is (1, 1)",
    ),
    "padding of a transposed conv": (
        "ConvTranspose2d(3, 4, 2, stride=2, padding=1)",
        "linear-unpatchify",
        "padding is (1, 1)",
    ),
    "groups after a Linear": ("ConvTranspose2d(4, 4, 2, stride=2, groups=2)", "linear-unpatchify", "groups is 2"),
    "dilation of a transposed conv": (
        "ConvTranspose1d(4, 4, 2, stride=2, dilation=3)",
        "linear-unpatchify",
        "dilation is (3,)",
    ),
}


@pytest.mark.parametrize(("text", "name"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(text: str, name: str) -> None:
    from convcheck import verify as prove

    assert prove(text, rewrite=name).verdict == "equal"


@pytest.mark.parametrize(("text", "name", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(text: str, name: str, message: str) -> None:
    from convcheck import verify as prove

    result = prove(text, rewrite=name)
    assert result.verdict == "refused"
    assert message in (result.reason or "")


@pytest.mark.parametrize(
    ("layer", "name", "pattern"),
    [
        ("Conv2d(1, 8, kernel_size=4, stride=4)", "patchify-linear", "o i kh kw -> (o i) (kh kw)"),
        ("ConvTranspose2d(1, 4, kernel_size=2, stride=2)", "linear-unpatchify", "i o kh kw -> (i o kh kw) 1"),
    ],
)
def test_a_pattern_that_is_right_by_other_means_is_equal(layer: str, name: str, pattern: str) -> None:
    from convcheck import verify as prove

    result = prove(layer, rewrite=name, transplant={"weight": pattern})
    assert result.verdict == "equal", result.reason


def test_copies_that_differ_have_no_way_back_and_the_first_is_named() -> None:
    rewrite = catalogue()["conv1x1-unpatchify"]
    from convcheck.layers import parse_layer

    layer = parse_layer("ConvTranspose1d(2, 3, 2, stride=2)")
    transplant = rewrite.transplant(layer, layer.example_inputs())
    there = transplant.forward({name: torch.randn(size) for name, size in layer.parameters().items()})
    there["project.bias"][3] += 1
    with pytest.raises(NoWayBackError, match=r"project\.bias\[3\]"):
        transplant.backward(there)


def test_weights_arrive_as_parameters_are_which_are_contiguous() -> None:
    """Of a view with a stride of its own along an axis of length 1, torch's kernel cannot write the gradient."""
    layer = parse_layer("Conv2d(1, 1, kernel_size=(2, 1), stride=(1, 2), bias=False)")
    assert verify(claim("spacetodepth-conv", layer, ((2, 1, 2, 3),))).verdict is Verdict.EQUAL
