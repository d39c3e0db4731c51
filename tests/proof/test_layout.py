"""Where a mismatch comes from a wrong layout, the right one is named."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

import convcheck
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import diagnosis, integer_probes, signatures
from convcheck.results import Agreement, Verdict
from convcheck.rewriting.kernels import flips
from convcheck.rewriting.steps import Step
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sizes.patterns import KERNEL_AXES, Shape
from convcheck.sizes.relayouts import parse_relayout
from tests.strategies.catalogued import accepted

TRUST = Path(__file__).parents[2] / "docs" / "trust.md"

# What was found in public code: which mistake, on which layer, and what is right.
MISTAKES: dict[str, tuple[str, str, dict[str, str], str]] = {
    "ViT: patch features with channels last, weight with channels first": (
        "Conv2d(3, 8, kernel_size=4, stride=4)",
        "patchify-linear",
        {"weight": "o i kh kw -> o (kh kw i)"},
        "o i kh kw -> o (i kh kw)",
    ),
    "Swin, YOLO Focus: columns of a patch before its rows, channels last": (
        "Conv2d(3, 8, kernel_size=2, stride=2)",
        "patchify-linear",
        {"weight": "o i kh kw -> o (kw kh i)"},
        "o i kh kw -> o (i kh kw)",
    ),
    "columns of a patch before its rows, channels first": (
        "Conv2d(3, 8, kernel_size=4, stride=4)",
        "patchify-conv1x1",
        {"weight": "o i kh kw -> o (i kw kh) 1 1"},
        "o i kh kw -> o (i kh kw) 1 1",
    ),
    "video models: frame, row, column, channel": (
        "Conv3d(3, 8, kernel_size=(2, 4, 4), stride=(2, 4, 4))",
        "patchify-linear",
        {"weight": "o i kt kh kw -> o (kt kh kw i)"},
        "o i kt kh kw -> o (i kt kh kw)",
    ),
    "frames folded in before the channels": (
        "Conv3d(3, 8, kernel_size=(2, 3, 3), stride=(2, 1, 1))",
        "time-in-channels",
        {"weight": "o i kt kh kw -> o (kt i) kh kw"},
        "o i kt kh kw -> o (i kt) kh kw",
    ),
    "MAE, DiT: unpatchify with channels last": (
        "ConvTranspose2d(8, 3, kernel_size=4, stride=4)",
        "linear-unpatchify",
        {"weight": "i o kh kw -> (kh kw o) i"},
        "i o kh kw -> (o kh kw) i",
    ),
    "TensorFlow's depth_to_space (DCR) for PixelShuffle (CRD)": (
        "ConvTranspose2d(8, 3, kernel_size=2, stride=2)",
        "conv1x1-unpatchify",
        {"weight": "i o kh kw -> (kh kw o) i 1 1"},
        "i o kh kw -> (o kh kw) i 1 1",
    ),
    "one bias a sub-pixel: tiled, not repeated": (
        "ConvTranspose2d(8, 3, kernel_size=2, stride=2)",
        "conv1x1-unpatchify",
        {"bias": "o -> (kh kw o)"},
        "o -> (o kh kw)",
    ),
    "a transposed weight read as [out, in], where both are as many": (
        "ConvTranspose2d(6, 6, kernel_size=2, stride=2)",
        "linear-unpatchify",
        {"weight": "o i kh kw -> (o kh kw) i"},
        "i o kh kw -> (o kh kw) i",
    ),
    "a Linear's weight read as [in, out], where both are as many": (
        "Linear(6, 6)",
        "linear-as-conv1x1",
        {"weight": "i o -> o i 1"},
        "o i -> o i 1",
    ),
    "a transposed convolution's kernel not flipped": (
        "ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1)",
        "zeroinsert-conv",
        {"weight": "i o kh kw -> o i kh kw"},
        "i o kh kw -> o i kh kw | flip kh | flip kw",
    ),
    "im2col with channels last": (
        "Conv2d(4, 6, kernel_size=3, padding=1)",
        "unfold-matmul",
        {"weight": "o i kh kw -> 1 o (kh kw i)"},
        "o i kh kw -> 1 o (i kh kw)",
    ),
    "groups read as the inner axis": (
        "Conv2d(4, 6, kernel_size=3, groups=2)",
        "unfold-matmul",
        {"weight": "(o g) i kh kw -> g o (i kh kw)"},
        "(g o) i kh kw -> g o (i kh kw)",
    ),
}


@pytest.mark.parametrize(("layer", "rewrite", "claimed", "right"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_layout_mistake_is_named_with_the_pattern_that_matches(
    layer: str, rewrite: str, claimed: dict[str, str], right: str
) -> None:
    result = convcheck.verify(layer, rewrite=rewrite, transplant=claimed)
    assert result.verdict == "different"
    assert result.suggestion == right
    [source] = claimed
    told = f"{source} was laid out as '{claimed[source]}', and '{right}' matches exactly"
    assert (result.reason or "").startswith(told)


@pytest.mark.parametrize(("layer", "rewrite", "claimed", "right"), MISTAKES.values(), ids=MISTAKES.keys())
def test_the_suggestion_holds(layer: str, rewrite: str, claimed: dict[str, str], right: str) -> None:
    [source] = claimed
    assert convcheck.verify(layer, rewrite=rewrite, transplant={source: right}).verdict == "equal"


def flat(name: str) -> str:
    return name.replace(".", "__")


class Taking(nn.Module):
    """A candidate that takes its first weight in another layout than the one it was written for."""

    def __init__(self, inner: nn.Module, first: Move, wanted: Move) -> None:
        super().__init__()
        # In a list, so that its parameters are not this module's, too.
        self.inner, self.first, self.wanted = [inner], first, wanted
        for name, parameter in inner.named_parameters():
            shape = wanted.result() if name == first.target else tuple(parameter.shape)
            self.register_parameter(flat(name), nn.Parameter(torch.empty(shape, device="meta")))

    def forward(self, *inputs: Tensor) -> Tensor:
        weights = {name: getattr(self, flat(name)) for name, _ in self.inner[0].named_parameters()}
        weight = weights[self.first.target]
        for step, shape in reversed(list(zip(self.wanted.steps, self.wanted.shapes(), strict=False))):
            weight = step.extract(weight, shape)
        weights[self.first.target] = self.first.forward({self.first.source: weight})
        output: Tensor = functional_call(self.inner[0], weights, inputs)
        return output


@dataclasses.dataclass(frozen=True)
class AsItLies(Step):
    """The same numbers in the same order, in another shape: what a converter does that copies buffers."""

    to: Shape

    def __str__(self) -> str:
        return "as it lies in memory"

    def shape(self, shape: Shape) -> Shape:
        assert math.prod(shape) == math.prod(self.to)
        return self.to

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor.reshape(self.to)

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        return tensor.reshape(shape)


# Weights that have one value for each of the reference's, in an order of axes.
ORDERED = [
    "fft",
    "linear-as-conv1x1",
    "linear-unpatchify",
    "matmul-fold",
    "patchify-conv1x1",
    "patchify-linear",
    "taps-sum",
    "unfold-matmul",
    "zeroinsert-conv",
]


@pytest.mark.parametrize("name", ORDERED)
@given(data=st.data())
def test_any_order_of_axes_and_any_flip_is_found_from_signatures_alone(name: str, data: st.DataObject) -> None:
    """The candidate takes its weight with axes permuted, some flipped; the catalogue's own transplant is no help."""
    layer, shapes = data.draw(accepted(name))
    case = Case("drawn", layer, shapes, (name,))
    pair = build_pair(Claim(case, name, catalogue()[name], ()))
    first, *others = pair.mapping.moves
    assert isinstance(first, Move)
    axes = [f"a{number}" for number in range(len(first.shape))]
    order = data.draw(st.permutations(axes))
    kernel = range(-len(KERNEL_AXES[layer.dims]), 0)
    flipped = flips(axes[axis] for axis in kernel if data.draw(st.booleans()))
    wanted = first.replaced(parse_relayout(f"{' '.join(axes)} -> {' '.join(order)}{flipped}"), {})
    claimed = dataclasses.replace(first, target=flat(first.target), steps=(AsItLies(wanted.result()),))
    moves = (claimed, *(dataclasses.replace(move, target=flat(move.target)) for move in others))
    taking = dataclasses.replace(pair.candidate, module=Taking(pair.candidate.module, first, wanted))
    planted = dataclasses.replace(pair, candidate=taking, mapping=Transplant(moves))
    if integer_probes.probe(planted, 0).status is Agreement.IDENTICAL:
        # All orders are the same here, or all that the input tells apart.
        return
    [correction] = diagnosis.corrections(planted, planted.mapping, case)
    assert correction.claimed == "as it lies in memory"


@pytest.mark.parametrize(
    ("claimed", "right"), [("o i -> o i 1", True), ("o i -> o i 1 | negate", False), ("o i -> o i 1 | flip i", False)]
)
def test_signatures_tell_a_place_and_a_sign(claimed: str, right: bool) -> None:
    layer = parse_layer("Linear(3, 4)")
    case = Case("drawn", layer, layer.example_inputs())
    pair = build_pair(Claim(case, "linear-as-conv1x1", catalogue()["linear-as-conv1x1"], ()))
    found = signatures.signatures(pair, seed=0)
    assert found is not None
    move = next(move for move in pair.mapping.moves if isinstance(move, Move))
    moved = move.replaced(parse_relayout(claimed), {})
    assert signatures.agrees(moved, found.reference["weight"], found.candidate["conv.weight"]) is right


MERGED = {
    "a weight that is merged": ("merge-convs", {"0.weight": "a b c d -> a b d c"}),
    "one that several are made of": ("fold-batchnorm", {"0.weight": "a b c d -> a b d c"}),
    "a layout that does not fit a part": ("multihead-sum", {"in_proj_weight": "(a b) i -> a b i, a=3"}),
}


@pytest.mark.parametrize(("rewrite", "claimed"), MERGED.values(), ids=MERGED.keys())
def test_a_layout_that_cannot_be_put_to_the_test_is_refused(rewrite: str, claimed: dict[str, str]) -> None:
    (source,) = claimed
    result = convcheck.verify(catalogue()[rewrite].example, rewrite=rewrite, transplant=claimed)
    assert result.verdict == "refused"
    assert (result.reason or "").startswith(f"transplant of {source}: ")


def test_a_layout_is_that_of_every_part_of_a_parameter() -> None:
    layer = "MultiheadAttention(8, 2)"
    right = convcheck.verify(layer, rewrite="multihead-sum", transplant={"in_proj_weight": "o i -> o i"})
    wrong = convcheck.verify(layer, rewrite="multihead-sum", transplant={"in_proj_weight": "o i -> i o"})
    assert (right.verdict, right.transplant["to_k.bias"]) == ("equal", "o -> o | part o 2 3")
    assert wrong.suggestions == {"in_proj_weight": "o i -> o i"}
    assert [str(reason) for reason in wrong.reasons if reason.kind == "layout"] == [
        "in_proj_weight was laid out as 'o i -> i o', and 'o i -> o i' matches in float64"
    ]


@pytest.mark.kernels
@pytest.mark.parametrize(
    ("layer", "rewrite", "parameter", "right", "wrong"),
    [
        ("Conv2d(3, 4, 3)", "unfold-matmul", "weight", "o i kh kw -> 1 o (i kh kw)", " | pad kw 0 999999999999"),
        ("Conv2d(3, 4, 3)", "unfold-matmul", "weight", "o i kh kw -> 1 o (i kh kw)", " | dilate i 999999999999"),
        ("Conv2d(3, 4, 3)", "unfold-matmul", "bias", "o -> o", " r, r=999999999999 | repeat"),
        ("MultiheadAttention(4, 2)", "multihead-sum", "out_proj.weight", "o i -> o i", " | pad o 0 999999999999"),
    ],
)
def test_a_layout_larger_than_any_memory_is_wrong_and_not_the_machine_too_small(
    layer: str, rewrite: str, parameter: str, right: str, wrong: str
) -> None:
    """The candidate's own weight is small, and nothing of the other's size is made."""
    read = parse_layer(layer)
    claimed = {parameter: right + wrong}
    result = convcheck.verify(layer, read.example_inputs(), rewrite, transplant=claimed)
    assert result.verdict is Verdict.DIFFERENT
    assert result.suggestions == {parameter: right}


def test_a_layout_that_is_right_is_no_correction_however_it_is_written() -> None:
    claimed = {"weight": "i o kh kw -> (kh kw o) i 1 1", "bias": "o -> (o kh kw) | flip o | flip o"}
    result = convcheck.verify("ConvTranspose2d(3, 4, 2, stride=2)", rewrite="conv1x1-unpatchify", transplant=claimed)
    assert result.suggestions == {**claimed, "weight": "i o kh kw -> (o kh kw) i 1 1"}
    assert [reason.text.split()[0] for reason in result.reasons if reason.kind == "layout"] == ["weight"]


def test_a_fault_that_is_no_layout_gets_no_suggestion() -> None:
    right = catalogue()["patchify-linear"]
    layer = parse_layer("Conv2d(3, 4, 2, stride=2)")
    case = Case("drawn", layer, layer.example_inputs())
    pair = build_pair(Claim(case, "patchify-linear", right, ()))
    clipped = copy.deepcopy(pair.candidate.module)
    clipped.register_forward_hook(lambda _module, _inputs, output: output.relu())
    wrong = dataclasses.replace(pair, candidate=dataclasses.replace(pair.candidate, module=clipped))
    assert integer_probes.probe(wrong, 0).status is Agreement.DIFFERENT
    assert diagnosis.corrections(wrong, wrong.mapping, case) == ()


def test_the_table_in_the_docs_is_this_one() -> None:
    # A cell of a Markdown table ends at a bar, in code, too.
    bar = "\\|"
    rows = [
        f"| {told} | `{next(iter(claimed.values()))}` | `{right.replace('|', bar)}` |"
        for told, (_, _, claimed, right) in MISTAKES.items()
    ]
    table = "\n".join(["| mistake | laid out as | `suggestion` |", "|---|---|---|", *rows])
    text = TRUST.read_text("utf-8")
    before, marker, rest = text.partition("<!-- layouts -->\n")
    shown, end, after = rest.partition("\n<!-- /layouts -->")
    if os.environ.get("CONVCHECK_WRITE_README"):
        TRUST.write_text(f"{before}{marker}{table}{end or '<!-- /layouts -->'}{after}")
    else:
        assert shown == table
