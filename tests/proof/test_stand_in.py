"""Float64 stands in on drawn numbers: no weights, no tolerance and no idle bound make a wrong claim equal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convcheck
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case, Tolerance
from convcheck.config.checks import DType
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import floating_point, in_parts, rounding, stand_in
from convcheck.proof.parts.fields import Unproven
from convcheck.proof.real_weights import ModuleTensors
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Kind, Result, Verdict

pytestmark = pytest.mark.kernels

ATTENTION = "MultiheadAttention(16, 4, vdim=8, batch_first=True)"
SHAPES = ((2, 5, 16), (2, 7, 16), (2, 7, 8))
SQUARE = ("q_proj_weight", "k_proj_weight", "out_proj.weight")
SWAPPED = "o i -> i o"


def fill(module: nn.MultiheadAttention, number: float) -> None:
    for parameter in module.parameters():
        parameter.fill_(number)


def identities(module: nn.MultiheadAttention) -> None:
    for name in SQUARE:
        module.get_parameter(name).copy_(torch.eye(16))


def sharpened(module: nn.MultiheadAttention) -> None:
    """Make scores so large that their errors in float64 leave the softmax unknown."""
    module.get_parameter("q_proj_weight").mul_(1e9)
    module.get_parameter("k_proj_weight").mul_(1e9)


WEIGHTS: dict[str, Callable[[nn.MultiheadAttention], object]] = {
    "values of zeros": lambda module: module.get_parameter("v_proj_weight").zero_(),
    "an output of zeros": lambda module: module.get_parameter("out_proj.weight").zero_(),
    "queries of nearly nothing": lambda module: module.get_parameter("q_proj_weight").mul_(1e-20),
    "scores whose errors are larger than one": sharpened,
    "all zeros": lambda module: fill(module, 0.0),
    "all equal": lambda module: fill(module, 0.1),
    "identities": identities,
}


def on_weights(change: Callable[[nn.MultiheadAttention], object], dtype: DType, **options: object) -> Result:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(16, 4, vdim=8, batch_first=True).eval()
    with torch.no_grad():
        change(module)
    return convcheck.verify(module, SHAPES, "multihead-sum", dtype=dtype, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("change", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_no_weights_hide_a_wrong_mapping_and_none_make_the_right_one_wrong(
    change: Callable[[nn.MultiheadAttention], object], dtype: DType
) -> None:
    for name in SQUARE:
        wrong = on_weights(change, dtype, transplant={name: SWAPPED})
        assert wrong.verdict is Verdict.DIFFERENT, name
        assert "on drawn weights, in float64 the error is" in (wrong.reason or "")
    right = on_weights(change, dtype, strict=True)
    assert right.verdict is Verdict.EQUAL
    assert right.ok is (change is not sharpened)


def test_given_weights_that_tell_nothing_are_weak() -> None:
    notes = [*map(str, on_weights(sharpened, "float32").weaknesses)]
    assert [note.partition(" the bound is ")[0] for note in notes] == ["weak: in float64", "weak: in float32"]
    assert notes[0].endswith("so others would be within it, too; what tells is that both agree on drawn weights")
    assert notes[1].endswith("what tells is that both agree on integers")


@pytest.mark.parametrize("name", SQUARE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_tolerance_is_for_the_asked_dtype_alone(dtype: DType, name: str) -> None:
    loose = {"atol": 10.0}
    wrong = convcheck.verify(
        ATTENTION, SHAPES, "multihead-sum", dtype=dtype, transplant={name: SWAPPED}, tolerance=loose
    )
    assert wrong.verdict is Verdict.DIFFERENT
    assert "in float64 the error is" in (wrong.reason or "")
    right = convcheck.verify(ATTENTION, SHAPES, "multihead-sum", dtype=dtype, tolerance=loose)
    assert right.verdict is Verdict.EQUAL
    [weak] = right.weaknesses
    assert weak.kind is Kind.ROUNDING
    assert weak.text.startswith(f"in {dtype} the tolerance is ")


def claim(text: str, name: str, dtype: DType = "float32", **options: object) -> Claim:
    layer = parse_layer(text)
    case = dataclasses.replace(Case("case", layer, layer.example_inputs(), (name,), dtype=dtype), **options)
    return Claim(case, name, catalogue()[name], ())


@pytest.mark.parametrize(("name", "part"), [("fft", 2.0**-42), ("winograd", 2.0**-36)])
def test_after_a_transform_neither_weights_nor_a_tolerance_hide_a_small_fault(name: str, part: float) -> None:
    class Off(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inner(x)
            return y * (1 + part)

    zeros = ModuleTensors({"weight": torch.zeros(4, 3, 3, 3), "bias": torch.zeros(4)}, ())
    right = claim("Conv2d(3, 4, 3)", name, weights=zeros, tolerance=Tolerance(1.0, 0.0))
    rewrite = catalogue()[name]
    wrong = dataclasses.replace(
        rewrite,
        candidate=lambda *given: Off(rewrite.candidate(*given)),
        weights={f"inner.{target}": recipe for target, recipe in rewrite.weights.items()},  # type: ignore[union-attr]
    )
    assert verify(right).verdict is Verdict.EQUAL
    result = verify(dataclasses.replace(right, rewrite=wrong))
    assert result.exact.status is Agreement.IDENTICAL
    assert result.verdict is Verdict.DIFFERENT
    assert "on drawn weights, in float64 the error is" in (result.reason or "")


@pytest.mark.parametrize(("share", "verdict"), [(0.9, Verdict.EQUAL), (1.1, Verdict.ERROR), (1e9, Verdict.ERROR)])
def test_without_exact_evidence_a_bound_that_is_not_well_below_the_outputs_is_inconclusive(
    share: float, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unproven(*_: object) -> None:
        raise Unproven

    monkeypatch.setattr(in_parts, "probe", unproven)
    right = claim("scaled_dot_product_attention()", "attention-sum", "float64")

    def bound(_layer: object, inputs: tuple[Tensor, ...], *_: object) -> Tensor:
        outputs = torch.nn.functional.scaled_dot_product_attention(*inputs)
        return torch.full_like(outputs, share * stand_in.SHARP * float(outputs.abs().mean()))

    assert right.rewrite is not None
    idle = dataclasses.replace(right, rewrite=dataclasses.replace(right.rewrite, analysis=bound))
    result = verify(idle)
    assert result.verdict is verdict
    assert [reason.kind for reason in result.reasons] == [Kind.INCONCLUSIVE] * (verdict is Verdict.ERROR)


def test_a_difference_is_one_even_where_the_rest_is_inconclusive() -> None:
    right = claim("scaled_dot_product_attention()", "attention-sum", tolerance=Tolerance(0.0, 0.0))
    assert right.rewrite is not None

    def loose(_layer: object, inputs: tuple[Tensor, ...], *_: object) -> Tensor:
        return torch.ones_like(torch.nn.functional.scaled_dot_product_attention(*inputs))

    def beside(*given: object) -> nn.Module:
        module = catalogue()["attention-sum"].candidate(*given)
        module.register_forward_hook(lambda _module, _inputs, output: output + 1e-3)
        return module

    wrong = dataclasses.replace(right.rewrite, analysis=loose, candidate=beside)
    result = verify(dataclasses.replace(right, rewrite=wrong))
    assert {reason.kind for reason in result.reasons} == {Kind.INCONCLUSIVE, Kind.ROUNDING}
    assert result.verdict is Verdict.DIFFERENT


def test_what_is_exact_is_equal_though_the_bound_is_idle_and_said_to_be_weak() -> None:
    result = verify(claim("Conv2d(3, 8, 2)", "unfold-matmul", tolerance=Tolerance(1e9, 0.0), strict=True))
    assert (result.verdict, result.ok) == (Verdict.EQUAL, False)
    assert [(note.kind, "what tells is that both agree on integers" in note.text) for note in result.weaknesses] == [
        (Kind.ROUNDING, True)
    ]


def test_an_attention_of_half_precision_is_as_strong_as_float64_and_its_idle_bound_a_note() -> None:
    layer = parse_layer("MultiheadAttention(256, 4, batch_first=True)")
    case = Case("case", layer, ((1, 64, 256),), ("multihead-sum",), dtype="bfloat16")
    result = verify(Claim(case, "multihead-sum", catalogue()["multihead-sum"], ()))
    assert result.verdict is Verdict.EQUAL
    [note] = [note for note in result.notes if note.kind is Kind.ROUNDING]
    assert note.text.startswith("in bfloat16 the bound is ")
    assert not note.weak


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_an_attention_whose_bound_is_idle_in_float64_too_is_weak_in_every_dtype(dtype: DType) -> None:
    result = verify(claim("scaled_dot_product_attention(scale=1e30)", "attention-sum", dtype, strict=True))
    assert (result.verdict, result.ok) == (Verdict.EQUAL, False)
    assert [weak.text.partition(" the bound is ")[0] for weak in result.weaknesses] == [f"in {dtype}"]


def test_a_tolerance_next_to_the_largest_number_is_weak_and_no_infinity_is_said() -> None:
    result = verify(claim("Conv2d(3, 8, 2)", "unfold-matmul", tolerance=Tolerance(1e308, 0.0)))
    [weak] = result.weaknesses
    assert weak.text.startswith("in float32 the tolerance is beyond all measure of the outputs, so others")


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e308])
def test_how_loose_a_bound_is_does_not_overflow(size: float) -> None:
    outputs = torch.full((3, 5), size, dtype=torch.float64)
    loose, none = rounding.looseness(outputs / 8, -outputs), rounding.looseness(outputs, 0 * outputs)
    assert [rounding.mean_looseness([loose] * count) for count in (1, 2)] == pytest.approx([0.125] * 2, rel=1e-12)
    assert rounding.mean_looseness([none]) is None


@pytest.mark.parametrize("scale", ["1e-20", "1e20", "1e-290", "1e299", "-3.0", "0.5"])
def test_a_scale_of_any_size_leaves_the_scores_of_a_drawn_attention_of_order_one(scale: str) -> None:
    """So a candidate that does without the query, or takes another one, is found where 1e-20 of it would hide that."""
    right = claim(f"scaled_dot_product_attention(scale={scale})", "attention-sum", "float64")
    pair = build_pair(right)
    sample = pair.balanced(torch.Generator().manual_seed(0))
    query, key, _ = sample.inputs
    root = math.sqrt(abs(float(scale)))
    scores = (root * query) @ (root * key).mT
    assert 0.5 < float(scores.std()) < 2
    measured = floating_point.measure(pair, right.case, sample)
    assert not measured.faults
    assert measured.looseness is not None
    assert measured.looseness < stand_in.SHARP / 1000
    assert right.rewrite is not None

    def without(*given: object) -> nn.Module:
        module = catalogue()["attention-sum"].candidate(*given)
        module.register_forward_pre_hook(lambda _module, inputs: (0 * inputs[0], *inputs[1:]))
        return module

    wrong = dataclasses.replace(right, rewrite=dataclasses.replace(right.rewrite, candidate=without))
    assert verify(wrong).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("scale", ["0.0", "5e-324"])
def test_a_scale_that_leaves_nothing_of_the_scores_is_no_difference(scale: str) -> None:
    assert verify(claim(f"scaled_dot_product_attention(scale={scale})", "attention-sum")).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("text", "name"), [("MultiheadAttention(48, 4, vdim=8)", "multihead-sum"), ("Conv2d(30, 4, 3, groups=2)", "fft")]
)
def test_what_balanced_weights_make_is_of_order_one_and_no_number_is_near_zero(text: str, name: str) -> None:
    pair = build_pair(claim(text, name))
    sample = pair.balanced(torch.Generator().manual_seed(0))
    for tensor in (*sample.inputs, *sample.parameters.values()):
        assert float(tensor.abs().min()) > 0.3 * float(tensor.abs().max())
        assert (tensor < 0).any()
        assert (tensor > 0).any()
    assert 0.3 < float(pair.run_reference(sample).std()) < 3
