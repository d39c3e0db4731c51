"""The rewrites of attention hold in every dtype, within a bound that is of use: faults leave it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import convcheck
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.layers import DotProductAttention, Layer, parse_layer
from convcheck.modules.parts import dot_products as products
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import floating_point
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from convcheck.rewriting.rewrite import Rewrite
from convcheck.rounding import running_error
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sizes.patterns import Shapes
from tests.strategies.attentions import dot_products, drawn_point, multiheads

pytestmark = pytest.mark.kernels

either = st.one_of(dot_products(), multiheads())
seeds = st.integers(0, 99)


def claim(layer: Layer, shapes: Shapes, rewrite: Rewrite | None = None, **options: object) -> Claim:
    name = "attention-sum" if isinstance(layer, DotProductAttention) else "multihead-sum"
    case = dataclasses.replace(Case("drawn", layer, shapes, (name,)), **options)
    return Claim(case, name, rewrite or catalogue()[name], ())


@given(either, seeds)
def test_gradients_are_those_of_torch(drawn: tuple[Layer, Shapes], seed: int) -> None:
    """No exact argument covers them, so that they flow at all is tested here."""
    layer, shapes = drawn
    pair, point = build_pair(claim(layer, shapes, dtype="float64")), drawn_point(layer, shapes, seed)
    for each in (*point.inputs, *point.parameters.values()):
        each.requires_grad_(each.is_floating_point())
    wanted, found = (torch.autograd.grad(y.square().sum(), [*point.variables().values()]) for y in pair.run(point))
    torch.testing.assert_close(wanted, found)


masked = either.filter(lambda drawn: any(number < len(drawn[1]) for number in drawn[0].mask_inputs()))


@given(masked, st.booleans(), seeds)
def test_keys_that_a_mask_hides_are_hidden_on_both_sides(
    drawn: tuple[Layer, Shapes], all_from_one: bool, seed: int
) -> None:
    """Every dtype has a kernel of its own; gradients flow in the widest."""
    layer, shapes = drawn
    for dtype in get_args(DType):
        asked = claim(layer, shapes, dtype=dtype)
        pair, generator = build_pair(asked), torch.Generator().manual_seed(seed)
        shown = floating_point.draw(pair, asked.case)
        point = samples.with_hidden_keys(pair.reference, shown, generator, all_from_one=all_from_one)
        measured = floating_point.measure(pair, asked.case, point)
        assert not measured.faults
        assert measured.looseness is None or math.isfinite(measured.looseness)
    point = point.mapped(lambda each: each.double().requires_grad_())
    wanted, found = (torch.autograd.grad(y.square().sum(), [*point.variables().values()]) for y in pair.run(point))
    assert all(gradient.isfinite().all() for gradient in wanted)
    torch.testing.assert_close(wanted, found)


MASKS = {
    "boolean": ("scaled_dot_product_attention(attn_mask=bool)", ((2, 3, 4), (2, 5, 4), (2, 5, 4), (3, 5))),
    "of numbers": ("scaled_dot_product_attention(attn_mask=float)", ((2, 3, 4), (2, 5, 4), (2, 5, 4), (3, 5))),
    "of heads": ("MultiheadAttention(4, 2)", ((3, 1, 4), (5, 1, 4), (5, 1, 4), (2, 3, 5))),
}


@pytest.mark.parametrize(("text", "shapes"), MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_candidate_that_makes_nan_of_a_query_without_keys_is_found(text: str, shapes: Shapes, dtype: DType) -> None:
    module = "multihead_sum" if text.startswith("Multihead") else "attention_sum"
    wrong = rewritten(module, "masked_fill(blind, 0.0)", "masked_fill(blind, -math.inf)")
    result = verify(claim(parse_layer(text), shapes, wrong, dtype=dtype))
    assert result.verdict is Verdict.DIFFERENT
    assert (result.reason or "").startswith("where the mask hides every key from a query, the candidate's output")


@pytest.mark.parametrize(("text", "shapes"), [*MASKS.values()][1:], ids=[*MASKS.keys()][1:])
def test_a_candidate_that_does_not_add_minus_infinity_is_found(text: str, shapes: Shapes) -> None:
    module = "multihead_sum" if text.startswith("Multihead") else "attention_sum"
    wrong = rewritten(module, "scores + mask", "scores + mask.clamp(min=-9.0)")
    result = verify(claim(parse_layer(text), shapes, wrong))
    assert result.verdict is Verdict.DIFFERENT
    assert (result.reason or "").startswith("where the mask hides some keys from a query, ")


@given(st.data())
def test_products_made_in_parts_are_those_made_at_once(data: st.DataObject) -> None:
    lead, rows, others, terms = data.draw(st.tuples(*[st.integers(1, 4)] * 4))
    generator = torch.Generator().manual_seed(data.draw(seeds))
    a = samples.whole_numbers((lead, rows, terms), 9, generator)
    b = samples.whole_numbers((others, terms), 9, generator)
    assert torch.equal(products(a, b, at_once=data.draw(st.integers(1, 200))), a @ b.mT)


@given(st.integers(1, 6), st.floats(1e-12, 3), seeds)
def test_no_change_of_the_scores_within_their_error_leaves_the_bound_of_a_softmax(
    keys: int, error: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 4 * torch.randn(keys, generator=generator, dtype=torch.float64)
    unknown = error * torch.rand(keys, generator=generator, dtype=torch.float64)
    bound = running_error.softmax(running_error.Computed(scores, unknown), UNIT).error
    signs = torch.randint(2, (50, keys), generator=generator) * 2 - 1
    changes = torch.softmax(scores + signs * unknown, -1) - torch.softmax(scores, -1)
    assert (changes.abs() <= bound).all()


UNIT = arithmetic(torch.float64, torch.device("cpu"))


def test_a_softmax_of_scores_that_are_not_known_is_not_known() -> None:
    scores = torch.tensor([0.0, -1e6], dtype=torch.float64)
    bound = running_error.softmax(running_error.Computed(scores, torch.tensor([0.0, 1e7])), UNIT).error
    assert (bound >= 1).all()
    assert bound.isfinite().all()


@pytest.mark.parametrize("dtype", get_args(DType))
@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("scaled_dot_product_attention()", ((1, 3, 197, 64),) * 3),
        ("scaled_dot_product_attention(is_causal=True)", ((2, 2, 600, 16),) * 3),
        ("MultiheadAttention(192, 3, batch_first=True)", ((2, 65, 192),)),
        ("MultiheadAttention(64, 4)", ((50, 2, 64),)),
    ],
)
def test_the_bound_is_less_than_ten_thousand_times_one_rounding_of_both_outputs(
    text: str, shapes: Shapes, dtype: DType
) -> None:
    """That much no computation in the dtype can help, whatever its kernel does before."""
    asked = claim(parse_layer(text), shapes, dtype=dtype)
    assert verify(asked).verdict is Verdict.EQUAL
    pair, rounded = build_pair(asked), getattr(torch, dtype)
    unit = arithmetic(rounded, torch.device("cpu"))
    exactly = floating_point.draw(pair, asked.case).mapped(lambda each: each.to(rounded).double())
    assert pair.analysis is not None
    bound = pair.analysis(exactly, unit)
    roundings = 2 * unit.output * pair.run_reference(exactly).abs()
    assert 1 < float((bound / roundings).min()) < 1e4


FAULTS = {
    "no scale": ("attention_sum", "", "attention.factor(shapes[0])", "1.0"),
    "a scale for another length": ("attention_sum", "", "factor(shapes[0])", "factor(shapes[2][:-1])"),
    "scale left out where it is given": ("attention_sum", "scale=0.5", "query * scale", "query"),
    "no mask": ("attention_sum", "attn_mask=bool", "~mask", "mask ^ mask"),
    "the mask of what may not be seen": ("attention_sum", "attn_mask=bool", "~mask", "mask"),
    "no mask of numbers": ("attention_sum", "attn_mask=float", "scores + mask", "scores"),
    "causal, off by one": ("attention_sum", "is_causal=True", ".tril()", ".tril(1)"),
    "causal from the last key": ("attention_sum", "is_causal=True", ".tril()", ".tril(2)"),
    "not causal": ("attention_sum", "is_causal=True", ".tril()", ""),
    "softmax over the queries": ("attention_sum", "", "torch.softmax(scores, -1)", "torch.softmax(scores, -2)"),
    "no softmax": ("attention_sum", "", "torch.softmax(scores, -1)", "scores"),
    "heads grouped in turns": (
        "attention_sum",
        "enable_gqa=True",
        "x.repeat_interleave(query.shape[-3] // x.shape[-3], -3)",
        "x.repeat(1, query.shape[-3] // x.shape[-3], 1, 1)",
    ),
    "heads mixed up": (
        "attention_sum",
        "",
        "dot_products(weights, value.mT)",
        "dot_products(weights, value.mT.flip(1))",
    ),
    "no scale in the heads": ("multihead_sum", "8, 2", "q / math.sqrt(width // heads)", "q"),
    "the scale of all heads": ("multihead_sum", "8, 2", "width // heads", "width"),
    "heads split the other way": ("multihead_sum", "8, 2", '"l b (h d)"', '"l b (d h)"'),
    "query and key projected in each other's place": ("multihead_sum", "8, 2", '"qkv"):', '"kqv"):'),
    "key and value projected in each other's place": ("multihead_sum", "8, 2", '"qkv"):', '"qvk"):'),
    "biases in another order than weights": (
        "multihead_sum",
        "8, 2",
        '"o -> o" + part',
        'f"o -> o | part o {3 - index} 3"',
    ),
    "softmax over the queries of a head": ("multihead_sum", "8, 2", "softmax(scores, -1)", "softmax(scores, -2)"),
    "no added position": ("multihead_sum", "8, 2, add_zero_attn=True", "(0, 0, 0, 1)", "(0, 0, 0, 0)"),
    "added positions in each other's place": (
        "multihead_sum",
        "8, 2, add_bias_kv=True",
        "(k, self.bias_k, heads), with_position(v, self.bias_v, heads)",
        "(k, self.bias_v, heads), with_position(v, self.bias_k, heads)",
    ),
    "batch for sequence": ("multihead_sum", "8, 2, batch_first=True", '"b l (h d)"', '"l b (h d)"'),
}


def rewritten(module: str, old: str, new: str) -> Rewrite:
    """Return a rewrite of the catalogue with other code in its candidate or weights; the bound stays as it is."""
    path = Path(convcheck.__file__).parent / "rewrites" / f"{module}.py"
    whole = path.read_text(encoding="utf-8")
    assert old in whole
    namespace: dict[str, Any] = {"__name__": module}
    exec(compile(whole.replace(old, new), str(path), "exec"), namespace)
    found: Rewrite = namespace["REWRITE"]
    return dataclasses.replace(found, analysis=catalogue()[module.replace("_", "-")].analysis)


@pytest.mark.parametrize(("module", "arguments", "old", "new"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_found(module: str, arguments: str, old: str, new: str) -> None:
    kind = "scaled_dot_product_attention" if module == "attention_sum" else "MultiheadAttention"
    layer = parse_layer(f"{kind}({arguments})")
    result = verify(claim(layer, layer.example_inputs(), rewritten(module, old, new), dtype="float64"))
    assert result.verdict is Verdict.DIFFERENT
    assert "times what rounding explains" in (result.reason or "")


@pytest.mark.parametrize("text", ["scaled_dot_product_attention()", "MultiheadAttention(8, 2)"])
def test_one_part_in_a_billion_leaves_the_bound_of_float64(text: str) -> None:
    layer = parse_layer(text)
    asked = claim(layer, layer.example_inputs(), dtype="float64")
    pair = build_pair(asked)

    class Off(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = pair.candidate.module

        def forward(self, *inputs: Tensor) -> Tensor:
            output: Tensor = self.inner(*inputs)
            return output * (1 + 1e-9)

    moves = tuple(dataclasses.replace(move, target=f"inner.{move.target}") for move in pair.mapping.moves)
    candidate = dataclasses.replace(pair.candidate, module=Off())
    off = dataclasses.replace(pair, candidate=candidate, mapping=dataclasses.replace(pair.mapping, moves=moves))
    assert not floating_point.measure(pair, asked.case, floating_point.draw(pair, asked.case)).faults
    assert floating_point.measure(off, asked.case, floating_point.draw(off, asked.case)).faults
