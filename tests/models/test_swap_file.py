"""A swap file imports torch alone, computes what the layer does, and has a way back, for all rewrites that it takes."""

from __future__ import annotations

import ast

import einops
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import Sequential, parse_layer
from convcheck.models import einops_parts
from convcheck.models.swap_file import Key, load_text, no_way_back, swap_text
from convcheck.modules.build import build
from convcheck.sides.torch_modes import known_modes

SMALL = {"broadcast-sum": "Linear(6, 5)"}
"""In place of examples that take seconds."""


def _keys() -> dict[str, Key]:
    keys = {}
    for name, rewrite in catalogue().items():
        layer = parse_layer(SMALL.get(name, rewrite.example))
        shapes = rewrite.example_inputs or layer.example_inputs()
        if no_way_back(layer, shapes, name) is None:
            keys[name] = (layer, shapes, name)
    return keys


KEYS = _keys()

NO_WAY = {
    "attention-sum", "blockdiagonal-conv", "conv-depthtospace", "multihead-sum", "patches-as-conv",
    "patches-as-transposed", "patchify-unfold", "rearranged", "spacetodepth-conv", "unpatchify-fold",
    "zerostuffed-conv",
}  # fmt: skip


def _place(name: str) -> tuple[str, ...]:
    """The path of a layer that stands first in a Sequential, or those of the layers of a chain."""
    layer = KEYS[name][0]
    return tuple(f"0.{number}" for number in range(len(layer.layers))) if isinstance(layer, Sequential) else ("0",)


def test_what_has_no_way_back_is_known() -> None:
    assert catalogue().keys() - KEYS.keys() == NO_WAY


@pytest.mark.parametrize("name", KEYS)
def test_a_swap_computes_what_the_layer_does_and_its_way_back_is_bit_for_bit(name: str) -> None:
    layer, shapes, _ = KEYS[name]
    model = nn.Sequential(build(layer)).double().eval()
    inputs = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    code = load_text(swap_text("a model", {_place(name): KEYS[name]}))
    random = torch.get_rng_state()
    due, gradients = model[0](*inputs), [p.requires_grad for p in model.parameters()]
    assert code.swap(model) is model
    assert torch.equal(random, torch.get_rng_state())
    assert not model[0].training
    torch.testing.assert_close(model[0](*inputs), due, rtol=1e-9, atol=1e-9)
    swapped = code.convert_state(state)
    assert swapped.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, swapped[key]) for key, tensor in model.state_dict().items())
    if len(_place(name)) > 1:
        for way_back in (lambda: code.swap_back(model), lambda: code.convert_state_back(swapped)):
            with pytest.raises(ValueError, match="cannot be told apart; give the state dict of before"):
                way_back()
    back = code.convert_state_back(swapped, state)
    code.swap_back(model, state)
    for returned in (back, model.state_dict()):
        assert returned.keys() == state.keys()
        assert all(torch.equal(tensor, returned[key]) for key, tensor in state.items())
    assert gradients == [p.requires_grad for p in model.parameters()]
    assert torch.equal(model[0](*inputs), due)


@pytest.mark.parametrize("name", KEYS)
def test_a_swap_file_imports_torch_alone(name: str) -> None:
    tree = ast.parse(swap_text("a model", {_place(name): KEYS[name]}))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {entry.partition(".")[0] for entry in found} <= {
        "torch", "__future__", "collections", "functools", "itertools", "typing", "math"
    }  # fmt: skip


def test_a_swapped_layer_answers_for_its_arguments_and_weights() -> None:
    layer, shapes, name = KEYS["patchify-linear"]
    model = nn.Sequential(build(layer))
    old = model[0]
    load_text(swap_text("a model", {("0",): (layer, shapes, name)})).swap(model)
    assert torch.equal(model[0].weight, old.weight)
    assert torch.equal(model[0].bias, old.bias)
    assert model[0].weight.dtype == old.weight.dtype
    assert (model[0].kernel_size, model[0].stride) == (old.kernel_size, old.stride)


@pytest.mark.parametrize("name", ["patchify-linear", "conv1x1-unpatchify"])
def test_frozen_parameters_stay_frozen_there_and_back(name: str) -> None:
    model = nn.Sequential(build(KEYS[name][0]))
    model[0].weight.requires_grad_(False)
    code = load_text(swap_text("a model", {_place(name): KEYS[name]}))
    code.swap(model)
    assert (model[0].project.weight.requires_grad, model[0].project.bias.requires_grad) == (False, True)
    code.swap_back(model)
    assert (model[0].weight.requires_grad, model[0].bias.requires_grad) == (False, True)


def test_a_layer_that_is_another_one_is_not_swapped() -> None:
    code = load_text(swap_text("a model", {("0",): KEYS["patchify-linear"]}))
    model = nn.Sequential(nn.Conv2d(3, 64, 8, 8))
    with pytest.raises(ValueError, match="the swap is proved for Conv2d"):
        code.swap(model)
    assert isinstance(model[0], nn.Conv2d)
    with pytest.raises(ValueError, match="was not swapped"):
        code.swap_back(model)


def test_copies_that_drifted_apart_have_no_way_back() -> None:
    key = KEYS["conv1x1-unpatchify"]
    model = nn.Sequential(build(key[0]))
    code = load_text(swap_text("a model", {("0",): key}))
    code.swap(model)
    with torch.no_grad():
        model[0].project.bias[0] += 1
    with pytest.raises(ValueError, match="no longer the same"):
        code.swap_back(model)


def test_two_kinds_of_swap_do_not_share_names() -> None:
    keys = {("0",): KEYS["patchify-linear"], ("1",): KEYS["pointwise-linear"], ("2",): KEYS["patchify-linear"]}
    model = nn.Sequential(*(build(layer) for layer, _, _ in keys.values()))
    code = load_text(swap_text('a "model"\\', keys))
    code.swap(model)
    assert type(model[0]) is type(model[2])
    assert type(model[0]) is not type(model[1])


@st.composite
def _patterns(draw: st.DrawFn) -> tuple[str, dict[str, int], tuple[int, ...]]:
    names = draw(st.permutations("abcd"))[: draw(st.integers(1, 4))]
    sizes = {name: draw(st.integers(1, 3)) for name in names}

    def grouped(order: list[str]) -> list[list[str]]:
        groups: list[list[str]] = [[]] if draw(st.booleans()) else []
        for name in order:
            if groups and groups[-1] and draw(st.booleans()):
                groups[-1].append(name)
            else:
                groups.append([name])
        return groups

    def spelt(groups: list[list[str]], lead: str) -> str:
        return lead + " ".join(f"({' '.join(group)})" if len(group) != 1 else group[0] for group in groups)

    source, target = grouped(list(names)), grouped(draw(st.permutations(list(names))))
    lead = "... " if draw(st.booleans()) else ""
    given_sizes = {name: sizes[name] for group in source for name in group[1:]}
    shape = [1 if not group else int(torch.tensor([sizes[n] for n in group]).prod()) for group in source]
    return (
        f"{spelt(source, lead)} -> {spelt(target, lead)}".replace("()", "1"),
        given_sizes,
        tuple([2, 1] if lead else []) + tuple(shape),
    )


@given(_patterns())
def test_axes_move_as_those_of_einops(drawn: tuple[str, dict[str, int], tuple[int, ...]]) -> None:
    pattern, sizes, shape = drawn
    x = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
    assert torch.equal(einops_parts.rearrange(x, pattern, **sizes), einops.rearrange(x, pattern, **sizes))


@pytest.mark.parametrize("pattern", ["o -> (o kh kw)", "o -> (kh kw o)", "o -> o kh kw", "o -> kh (o kw)"])
def test_copies_are_those_of_einops_and_undone(pattern: str) -> None:
    x = torch.tensor([1.0, float("nan"), 3.0])
    made = einops_parts.repeat(x, pattern, kh=2, kw=3)
    assert torch.equal(made.nan_to_num(7), einops.repeat(x, pattern, kh=2, kw=3).nan_to_num(7))
    assert torch.equal(einops_parts.unrepeat(made, pattern, o=3, kh=2, kw=3).nan_to_num(7), x.nan_to_num(7))


def test_sums_of_products_are_those_of_einops() -> None:
    with known_modes():
        x, w = torch.randn(2, 3, 4), torch.randn(5, 3)
    pattern = "... i n, o i -> ... o n"
    torch.testing.assert_close(einops_parts.einsum(x, w, pattern), einops.einsum(x, w, pattern))
