"""Patches that code cuts, and a Linear on them, are found by what is moved where, and proved; other code is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn
from torch.nn import functional
from typer.testing import Result

import convcheck as package
from convcheck.layers import parse_layer
from convcheck.models.chains import chains_of
from convcheck.models.code_chains import CodeLeaf
from convcheck.models.example import read_example
from convcheck.models.flow import Flow
from convcheck.models.leaves import leaves_of, parts_of
from convcheck.models.lines import claim_of
from convcheck.models.records import LayerLine
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from tests.models import code_nets

Run = Callable[..., Result]


def code_chains(model: nn.Module, *shape: int) -> list[CodeLeaf]:
    example = read_example(list(shape))
    flow = Flow([part for part in parts_of(model.eval()) if part.skipped is None])
    leaves_of(model, example, flow.watch)
    chains, why = chains_of(model, example, flow)
    assert why is None
    return [chain for chain in chains if isinstance(chain, CodeLeaf)]


@pytest.mark.parametrize("spelling", code_nets.PATCHES)
def test_patches_are_found_however_code_cuts_them(spelling: str) -> None:
    (chain,) = code_chains(code_nets.Cut(spelling), *code_nets.IMAGE)
    due = f"rearrange('b c (h p) (w q) -> {code_nets.PATCHES[spelling][1]}', p=2, q=2)"
    assert (chain.path, chain.text) == (
        "proj",
        f"Sequential({due}, Linear(in_features=12, out_features=5, bias=True))",
    )
    assert dict(chain.calls) == {(code_nets.IMAGE,): 1}
    assert "tests/models/code_nets.py:" in chain.places


@pytest.mark.parametrize("way", code_nets.OTHERS)
def test_code_that_cuts_no_patches_is_no_chain(way: str) -> None:
    model = code_nets.Cut(way)
    assert code_chains(model, *code_nets.IMAGE) == []
    assert model(torch.randn(code_nets.IMAGE)).shape[-1] == 5


def line_of(model: nn.Module, *shape: int) -> LayerLine:
    (line,) = package.scan(model, list(shape), "patches-as-conv").layers
    return line


@pytest.mark.parametrize("spelling", ["reshape", "slices"])
def test_a_chain_of_code_is_proved_and_what_is_to_be_done_by_hand_does_it(convcheck: Run, spelling: str) -> None:
    model = code_nets.Cut(spelling).eval()
    line = line_of(model, *code_nets.IMAGE)
    assert [(one.rewrite, one.verdict) for one in line.rewrites] == [("patches-as-conv", Verdict.EQUAL)]
    assert line.by_hand is not None
    command = line.by_hand.split("`")[1]
    assert command == f'convcheck rewrites patches-as-conv "{line.layer}" -i 2,3,8,4'
    printed = convcheck("rewrites", "patches-as-conv", line.layer, "-i", "2,3,8,4").stdout
    code: dict[str, type[nn.Module]] = {}
    exec(printed[printed.index("from einops") :], code)
    new = code["PatchesAsConv"]()
    new.load_state_dict(code["convert"]({f"1.{name}": tensor for name, tensor in model.proj.state_dict().items()}))
    x = torch.randn(code_nets.IMAGE)
    torch.testing.assert_close(new(x + 1).relu(), model(x), rtol=1e-4, atol=1e-5)


def test_a_wrong_order_of_axes_is_different() -> None:
    (chain,) = code_chains(code_nets.Cut("reshape"), *code_nets.IMAGE)
    for order in permutations("pqc"):
        module = nn.Sequential(Rearrange(f"b c (h p) (w q) -> b (h w) ({' '.join(order)})", p=2, q=2), chain.module[1])
        layer = parse_layer(str(chain.layer).replace("(p q c)", f"({' '.join(order)})"))
        wrong = replace(chain, module=module, layer=layer, text=str(layer))
        result = verify(claim_of(wrong, (code_nets.IMAGE,), "patches-as-conv", "float32"))
        assert (result.verdict is Verdict.EQUAL) is (order == ("p", "q", "c")), order


def test_a_chain_of_code_is_listed_and_what_it_has_in_it_may_still_be_swapped(convcheck: Run) -> None:
    words = ["scan", "tests.models.code_nets:Cut('reshape')", "-i", "2,3,8,4", "--trust"]
    table = convcheck(*words).stdout
    assert "by hand: proj: code cuts the patches, at tests/models/code_nets.py:" in " ".join(table.split())
    named = ["-r", "patches-as-conv", "-r", "linear-as-conv1x1", "-f", "json"]
    printed = json.loads(convcheck(*words, *named).stdout)
    assert [bool(line["by_hand"]) for line in printed["layers"]] == [False, True]
    assert [choice["rewrite"] for choice in printed["chosen"]] == ["linear-as-conv1x1"]
    assert printed["notes"] == []


@pytest.mark.parametrize("spelling", code_nets.LAID)
def test_patches_that_code_lays_back_are_found_however_it_does(spelling: str) -> None:
    (chain,) = code_chains(code_nets.Laid(spelling), *code_nets.TOKENS)
    due = f"rearrange('{code_nets.LAID[spelling][1]} -> b c (h p) (w q)', "
    assert chain.text.startswith(f"Sequential(Linear(in_features=5, out_features=12, bias=True), {due}")
    assert (chain.path, dict(chain.calls)) == ("head", {(code_nets.TOKENS,): 1})


@pytest.mark.parametrize("way", code_nets.NOT_LAID)
def test_code_that_lays_back_no_patches_is_no_chain(way: str) -> None:
    assert code_chains(code_nets.Laid(way), *code_nets.TOKENS) == []


def test_patches_that_are_in_the_output_as_well_are_no_chain() -> None:
    assert code_chains(code_nets.Laid("einops", leak=True), *code_nets.TOKENS) == []


def test_the_way_back_is_proved_and_what_is_to_be_done_by_hand_does_it(convcheck: Run) -> None:
    model = code_nets.Laid("reshape").eval()
    (line,) = (
        line for line in package.scan(model, list(code_nets.TOKENS), "patches-as-transposed").layers if line.by_hand
    )
    assert [one.verdict for one in line.rewrites] == [Verdict.EQUAL]
    assert line.by_hand is not None
    assert "code lays patches back, at tests/models/code_nets.py:" in line.by_hand
    printed = convcheck("rewrites", "patches-as-transposed", line.layer, "-i", "2,8,5").stdout
    code: dict[str, type[nn.Module]] = {}
    exec(printed[printed.index("import torch") :], code)
    new = code["PatchesAsTransposed"]()
    new.load_state_dict(code["convert"]({f"0.{name}": tensor for name, tensor in model.head.state_dict().items()}))
    x = torch.randn(code_nets.TOKENS)
    torch.testing.assert_close(new(x).tanh(), model(x)[0], rtol=1e-4, atol=1e-5)


class Twice(nn.Module):
    """A Linear that is called on patches, and once more."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.proj, self.again = nn.Linear(12, 5), again

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cut = code_nets.PATCHES["unfold"][0]
        y: torch.Tensor = self.proj(cut(x)).mean(1) + self.proj(cut(x[:1])).mean(1)
        return y + self.proj(x.flatten(2)[:, :, :12]).mean(1) if self.again else y


def test_a_layer_has_to_be_called_on_patches_always() -> None:
    (chain,) = code_chains(Twice(again=False), *code_nets.IMAGE)
    assert dict(chain.calls) == {((2, 3, 8, 4),): 1, ((1, 3, 8, 4),): 1}
    assert code_chains(Twice(again=True), *code_nets.IMAGE) == []


class Conv(nn.Module):
    """A 1x1 convolution on patches."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(12, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.proj(functional.pixel_unshuffle(x, 2))
        return y


def test_a_pointwise_convolution_on_patches_is_a_chain() -> None:
    line = line_of(Conv(), 2, 3, 8, 4)
    assert "rearrange('b c (h p) (w q) -> b (c p q) h w', p=2, q=2)" in line.layer
    assert line.rewrites[0].verdict is Verdict.EQUAL


def test_patches_that_a_module_of_torch_cuts_are_swapped() -> None:
    model = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 5, 1), nn.ReLU()).eval()
    report = package.scan(model, list(code_nets.IMAGE), "patches-as-conv")
    assert [(line.places, line.by_hand) for line in report.layers] == [((("0", "1"),), None)]
    x = torch.randn(code_nets.IMAGE)
    due = model(x)
    swapped = package.swap(model, report)
    assert isinstance(swapped[1], nn.Identity)
    torch.testing.assert_close(swapped(x), due, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "pattern", "lengths"),
    [
        ((1, 16, 3), "b (h p) c -> b h (p c)", {"p": 2}),
        ((3, 5, 8), "b b1 (h p) -> b b1 h p", {"p": 2}),
        ((1, 3, 4, 4, 4), "b c (t r) (h p) (w q) -> b (t h w) (r p q c)", {"r": 2, "p": 2, "q": 2}),
        ((2, 24, 3), "b (h p w q) c -> b (h w) (p q c)", {"p": 2, "w": 3, "q": 2}),
    ],
)
def test_patches_are_cut_of_rows_of_volumes_and_of_tokens(
    shape: tuple[int, ...], pattern: str, lengths: dict[str, int]
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(rearrange(torch.empty(shape), pattern, **lengths).shape[-1], 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.proj(rearrange(x, pattern, **lengths))
            return y

    (chain,) = code_chains(Model(), *shape)
    written = ", ".join(f"{axis}={length}" for axis, length in lengths.items())
    assert chain.text.startswith(f"Sequential(rearrange('{pattern}', {written}), Linear(")
