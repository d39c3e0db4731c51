"""Chains are found in what a model computes, never where a merge would change it, and merged with a proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from einops.layers.torch import Rearrange
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from typer.testing import Result

import convcheck as package
from convcheck.models.apply import swapped_in
from convcheck.models.choice import choices
from convcheck.models.example import read_example
from convcheck.models.records import Gain, LayerLine, Tried
from convcheck.models.scan import Asked, scan
from convcheck.models.swap_file import load_text
from convcheck.results import Verdict
from tests.models import nets

Run = Callable[..., Result]

MERGES = ("fold-batchnorm", "merge-convs", "merge-linears", "shuffle-as-transposed")
WORDS = ["scan", "tests.models.nets:Chains()", "-i", "2,3,6,6", "--trust", "-f", "json"]
NAMED = [word for name in MERGES for word in ("-r", name)]


def chains(model: nn.Module, *shape: int) -> dict[tuple[str, ...], LayerLine]:
    report = package.scan(model, list(shape), list(MERGES))
    return {place: line for line in report.layers for place in line.places if line.merged}


def test_chains_are_lines_beside_layers_and_those_that_are_alike_one(convcheck: Run) -> None:
    result = convcheck(*WORDS, *NAMED)
    assert result.exit_code == 0, result.output
    merged = [line for line in json.loads(result.stdout)["layers"] if line["merged"]]
    (longer,) = (line for line in merged if len(line["merged"][0]) > 1)
    assert (longer["paths"], longer["merged"], longer["rewrites"][0]["rewrite"]) == (
        ["narrow"], [["wide", "norm_b"]], "merge-convs",
    )  # fmt: skip
    lines = {tuple(line["paths"]): line for line in merged if line is not longer}
    found = {paths: (line["merged"], line["rewrites"][0]["rewrite"]) for paths, line in lines.items()}
    assert found == {
        ("stem",): ([["norm_a"]], "fold-batchnorm"),
        ("blocks.0.c", "blocks.1.c"): ([["blocks.0.n"], ["blocks.1.n"]], "fold-batchnorm"),
        ("narrow",): ([["wide"]], "merge-convs"),
        ("wide",): ([["norm_b"]], "fold-batchnorm"),
        ("up",): ([["shuffle"]], "shuffle-as-transposed"),
        ("head",): ([["head_norm"]], "fold-batchnorm"),
        ("lora_a",): ([["lora_b"]], "merge-linears"),
    }
    stem = lines[("stem",)]
    assert stem["layer"].startswith("Sequential(Conv2d(3, 6,")
    assert (stem["inputs"], stem["calls"], stem["skipped"]) == ([[2, 3, 6, 6]], 1, None)
    assert {one["verdict"] for line in lines.values() for one in line["rewrites"]} == {"equal"}
    table = convcheck(*WORDS[:-2], *NAMED).stdout
    assert "blocks.*.c + .n (2)" in table
    assert "\nswapped" not in table


def test_a_layer_of_its_own_is_listed_beside_its_chain(convcheck: Run) -> None:
    printed = json.loads(convcheck(*WORDS, "--only", "head*").stdout)
    assert [(line["paths"], line["merged"]) for line in printed["layers"]] == [
        (["head"], []),
        (["head"], [["head_norm"]]),
    ]
    assert [one["verdict"] for line in printed["layers"] for one in line["rewrites"]] == ["equal"] * 2
    # A pattern has to match all of a chain, which is swapped as a whole.
    alone = json.loads(convcheck(*WORDS, "--only", "head").stdout)
    assert [line["merged"] for line in alone["layers"]] == [[]]


WAYS = [
    "residual", "in the output", "kept", "a view is kept", "its values decide", "numpy", "a function between",
    "in place", "the first twice", "the second twice", "the second by keyword", "train mode",
    "its weights are used elsewhere", "scaled weights", "another way when followed", "a hook", "shared weights",
    "frozen to the batch",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_a_merge_would_change_is_no_chain(way: str) -> None:
    model = nets.Pair(way)
    assert chains(model, 2, 3, 4, 4) == {}
    assert model.kept == []


def test_a_pair_is_a_chain() -> None:
    assert chains(nets.Pair("straight on"), 2, 3, 4, 4).keys() == {("conv", "norm")}


def test_patches_that_einops_cuts_and_a_linear_are_a_chain_that_is_not_swapped() -> None:
    model = nn.Sequential(Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2), nn.Linear(12, 5))
    report = package.scan(model, [1, 3, 4, 4], "patches-as-conv")
    (line,) = report.layers
    assert (line.places, line.rewrites[0].verdict) == ((("0", "1"),), "equal")
    assert report.chosen == ()
    assert "rearrange is no layer of torch's" in report.notes[0]


class Before(nn.Module):
    """BatchNorm, then a convolution."""

    def __init__(self, padding: int, mode: str = "zeros") -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3, padding=padding, padding_mode=mode)
        nets.draw_statistics(self.norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(self.norm(x.sigmoid()))
        return y


@pytest.mark.parametrize(("padding", "mode", "count"), [(0, "zeros", 1), (1, "zeros", 0), (1, "reflect", 1)])
def test_batchnorm_is_folded_forward_where_no_zeros_are_padded(padding: int, mode: str, count: int) -> None:
    model = Before(padding, mode).eval()
    report = package.scan(model, [2, 3, 6, 6], "fold-batchnorm-forward")
    assert [line.places for line in report.layers if line.rewrites] == [(("norm", "conv"),)] * count
    if count:
        x = torch.randn(2, 3, 6, 6)
        due = model(x)
        swapped = package.swap(model, report)
        assert isinstance(swapped.conv, nn.Identity)
        torch.testing.assert_close(swapped(x), due, rtol=1e-4, atol=1e-5)


def test_linears_in_a_row_are_merged_together() -> None:
    model = nn.Sequential(
        nn.Linear(6, 4), nn.Linear(4, 3, bias=False), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.Linear(2, 2)
    ).eval()
    report = package.scan(model, [3, 6], "merge-linears")
    places = {place for line in report.layers for place in line.places if line.merged}
    assert places == {("0", "1"), ("1", "2"), ("0", "1", "2"), ("4", "5")}
    assert {place for choice in report.chosen for place in choice.places} == {("0", "1", "2"), ("4", "5")}
    x = torch.randn(3, 6)
    due, before = model(x), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    done, text, _ = swapped_in(model, report)
    assert done.check is not None
    assert done.check.ok
    code = load_text(text)
    swapped = code.swap(model)
    assert [type(layer).__name__ for layer in swapped[1:3]] == ["Identity", "Identity"]
    torch.testing.assert_close(swapped(x), due, rtol=1e-4, atol=1e-5)
    back = code.swap_back(swapped, before).state_dict()
    assert all(torch.equal(tensor, back[name]) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("rewrite", "layers"),
    [
        ("merge-separable", (nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4))),
        ("merge-convs", (nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4))),
    ],
)
def test_two_convolutions_and_a_batchnorm_are_merged_together(rewrite: str, layers: tuple[nn.Module, ...]) -> None:
    model = nn.Sequential(*layers).eval()
    nets.draw_statistics(model[2])
    report = package.scan(model, [2, 3, 6, 6], rewrite)
    assert [choice.places for choice in report.chosen] == [(("0", "1", "2"),)]
    x = torch.randn(2, 3, 6, 6)
    due = model(x)
    swapped = package.swap(model, report)
    assert [type(layer).__name__ for layer in swapped[1:]] == ["Identity", "Identity"]
    torch.testing.assert_close(swapped(x), due, rtol=1e-4, atol=1e-5)


def test_dropout_between_layers_hands_on_what_it_is_given() -> None:
    class Dropped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.drop, self.two = nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.two(functional.dropout(self.drop(self.one(x)), training=self.training))
            return y

    assert chains(Dropped().eval(), 2, 3).keys() == {("one", "two")}


def test_a_model_that_cannot_be_followed_has_its_layers_and_a_note() -> None:
    report = package.scan(nets.Pair("cannot be followed"), [2, 3, 4, 4], "pointwise-linear")
    assert [line.paths for line in report.layers] == [("conv",)]
    assert report.ok
    (note,) = report.notes
    assert "no chains were looked for" in note
    assert "no modes here" in note


@pytest.mark.parametrize(("width", "count"), [(4, 1), (5, 0)])
def test_code_may_ask_for_a_size_that_a_merge_does_not_change(width: int, count: int) -> None:
    assert len(chains(nets.Sized(width), 1, 3, 4, 4)) == count


def test_a_chain_of_two_dtypes_is_none() -> None:
    model = nets.Pair("straight on")
    model.conv.bfloat16()
    assert chains(model, 2, 3, 4, 4) == {}


def test_a_chain_that_is_always_one_may_be_called_twice() -> None:
    model = nets.Twice().eval()
    line = chains(model, 1, 3, 4, 4)["conv", "norm"]
    assert line.calls == 2
    x = torch.randn(1, 3, 4, 4)
    due = model(x)
    report = package.scan(model, [1, 3, 4, 4], "fold-batchnorm")
    swapped = package.swap(model, report)
    assert isinstance(swapped.norm, nn.Identity)
    torch.testing.assert_close(swapped(x), due, rtol=1e-4, atol=1e-5)


def test_a_merge_is_swapped_proved_and_brought_back_from_the_weights_of_before(convcheck: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    result = convcheck(*WORDS, *NAMED, "--apply", out)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    # Of narrow + wide and wide + norm_b it is the one whose rewrite was named first.
    assert set(printed["applied"]) == {"stem", "blocks.0.c", "blocks.1.c", "wide", "up", "head", "lora_a"}
    assert printed["check"]["status"] == "within-bound"
    stored, before = load_file(out), load_file(printed["files"]["before"])
    code = load_text(Path(printed["files"]["code"]).read_text())
    model = code.swap(nets.Chains()).eval()
    model.load_state_dict(stored, strict=True)
    x = torch.randn(2, 3, 6, 6)
    merged = model(x)["logits"]
    code.swap_back(model, before)
    assert isinstance(model.norm_a, nn.BatchNorm2d)
    torch.testing.assert_close(model(x)["logits"], merged, rtol=1e-4, atol=1e-4)
    back = code.convert_state_back(stored, before)
    assert back.keys() == model.state_dict().keys() == nets.Chains().state_dict().keys()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(tensor, back[name]) for name, tensor in before.items())


def test_the_gate_of_a_merge_keeps_it(convcheck: Run, tmp_path: Path) -> None:
    words = ["scan", "tests.models.nets:Pair('straight on')", "-i", "1,3,2,2", "-r", "fold-batchnorm", "--trust"]
    assert convcheck(*words, "--apply", tmp_path / "out.safetensors").exit_code == 0
    code = tmp_path / "out_swap.py"
    assert convcheck("verify", tmp_path / "out_swap.yaml", "--trust").exit_code == 0
    code.write_text(code.read_text().replace("+ 1e-05", "+ 2e-05"))
    assert convcheck("verify", tmp_path / "out_swap.yaml", "--trust").exit_code == 1


def test_a_wrong_merge_is_different() -> None:
    model = nets.Pair("straight on")
    report = scan(model, read_example([2, 3, 4, 4]), "Pair", Asked(("fold-batchnorm",)))
    _, text, swaps = swapped_in(model, report)
    from convcheck.models.whole_check import check

    for due, wrong in (("+ 1e-05", "+ 2e-05"), ("return shifted + beta", "return shifted")):
        assert due in text
        assert check(model, report.example, load_text(text.replace(due, wrong)), swaps).status == "different"


@given(st.lists(st.floats(0.5, 4), min_size=3, max_size=3))
def test_of_chains_with_a_layer_in_common_the_one_that_saves_most_is_swapped(ratios: list[float]) -> None:
    text = "Sequential(Conv2d(4, 4, 1), Conv2d(4, 4, 1))"
    lines = [
        LayerLine((first,), text, ((1, 4, 2, 2),), 1, 40, (_tried(ratio),), merged=((second,),))
        for first, second, ratio in zip("abc", "bcd", ratios, strict=True)
    ]
    chosen, notes = choices(lines, None, ["float32"], bench=True, least=1.1)
    paths = [path for choice in chosen for place in choice.places for path in place]
    assert len(paths) == len(set(paths))
    assert notes == ()
    worth = [ratio for ratio in ratios if ratio >= 1.1]
    best = [line.rewrites[0].bench["float32"].ratio for line in lines if line.paths[0] in paths]
    assert not worth or max(worth) in best


def _tried(ratio: float) -> Tried:
    gain = Gain(1.0, 1 / ratio, ratio, ratio, ratio)
    return Tried("merge-convs", Verdict.EQUAL, ok=True, bench={"float32": gain})
