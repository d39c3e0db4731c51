"""Equal arguments give equal results, wherever they stand; others prove nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere
from torch import Tensor

from convcheck.all_sizes.compare import difference
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.numbers import fraction
from convcheck.all_sizes.reading import read
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.trace import Given, trace_both

Run = Callable[..., Tensor]
IMAGE = (2, 4, 5, 6)
CHANNELS = ((0, 1),)


def proved(one: Run, other: Run, *shapes: tuple[int, ...], fixed: tuple[tuple[int, int], ...] = ()) -> bool:
    """Tell whether two functions are equal for all sizes."""
    given = [
        Given(f"input.{n}", shape, torch.float64, tuple((n, axis) not in fixed for axis, _ in enumerate(shape)))
        for n, shape in enumerate(shapes)
    ]
    trace = trace_both(lambda by: one(*by.values()), lambda by: other(*by.values()), given)
    sources = Sources(trace.path.sizes())
    nodes = trace.graph.graph.find_nodes(op="placeholder")
    lengths = trace.path.lengths
    inputs = {node: sources.tensor(name, lengths[name]) for node, name in zip(nodes, lengths, strict=True)}
    try:
        values = read(trace.graph, inputs, sources)
        left, right = aligned(*(values[node] for node in trace.graph.graph.output_node().args[0]))
    except CannotProve:
        return False
    found = difference(left, right)
    # What is made of different tensors may still be equal.
    assert found is None or any(entry.source.derived for piece in left.pieces for entry in piece.factors)
    return found is None


def halves(run: Run) -> Run:
    return lambda x: torch.cat([run(part) for part in x.chunk(2, 1)], 1)


def norm_over_channels(x: Tensor) -> Tensor:
    less = x - x.mean(1, keepdim=True)
    return less / torch.sqrt(less.pow(2).mean(1, keepdim=True) + 1e-5)


def causal(mask: Callable[[Tensor], Tensor]) -> Run:
    return lambda x: F.softmax(mask(x @ x.transpose(1, 2) / math.sqrt(4)), -1) @ x


def above(scores: Tensor, diagonal: int) -> Tensor:
    size = scores.shape[-1]
    return torch.ones(size, size, dtype=torch.bool).triu(diagonal)


EQUAL: dict[str, tuple[Run, Run]] = {
    "other layout": (lambda x: F.relu(x).permute(0, 2, 3, 1), lambda x: F.relu(x.permute(0, 2, 3, 1))),
    "whole then parts": (F.relu, halves(F.relu)),
    "parts then whole": (halves(F.relu), F.relu),
    "zeros around": (lambda x: F.silu(F.pad(x, (1, 2))), lambda x: F.pad(F.silu(x), (1, 2))),
    "reversed": (lambda x: F.gelu(x.flip(2)), lambda x: F.gelu(x).flip(2)),
    "windows": (
        lambda x: F.relu(x.unfold(3, 3, 1).sum(-1)),
        lambda x: F.relu(x[..., :-2] + x[..., 1:-1] + x[..., 2:]),
    ),
    "gelu by erf": (F.gelu, lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))),
    "repeated": (lambda x: F.relu(x[:, :1].expand_as(x)), lambda x: F.relu(x[:, :1]).expand_as(x)),
    "repeated parts": (lambda x: F.relu(torch.cat([x, x], 1)), lambda x: torch.cat([F.relu(x), F.relu(x)], 1)),
    "swapped": (lambda x: torch.maximum(x, x.flip(2)), lambda x: torch.maximum(x.flip(2), x)),
    "softmax": (
        lambda x: F.softmax(x, 1),
        lambda x: F.softmax(x.flip(1).permute(0, 2, 3, 1), -1).permute(0, 3, 1, 2).flip(1),
    ),
    "layer norm": (
        lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2),
        norm_over_channels,
    ),
    "instance norm": (F.instance_norm, lambda x: F.layer_norm(x, x.shape[2:])),
    "group norm": (F.instance_norm, lambda x: F.group_norm(x, 4)),
    "roots": (lambda x: x / (x * x + 1).sqrt(), lambda x: x * torch.rsqrt(x.pow(2) + 1)),
    "pooling": (lambda x: F.max_pool2d(x, 2), lambda x: x.unfold(3, 2, 2).unfold(2, 2, 2).amax((-1, -2))),
    "padded pooling": (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-math.inf), 3, 2),
    ),
}
DIFFERENT: dict[str, tuple[Run, Run]] = {
    "negated": (F.relu, lambda x: F.relu(-x)),
    "next entry": (lambda x: F.relu(x[..., 1:]), lambda x: F.relu(x[..., :-1])),
    "approximated": (F.gelu, lambda x: F.gelu(x, approximate="tanh")),
    "another function": (F.silu, F.gelu),
    "softmax of another axis": (lambda x: F.softmax(x, 1), lambda x: F.softmax(x, 2)),
    "layer norm of another axis": (
        norm_over_channels,
        lambda x: F.layer_norm(x.permute(0, 1, 3, 2), (x.shape[2],)).permute(0, 1, 3, 2),
    ),
    "another eps": (lambda x: F.layer_norm(x, x.shape[3:]), lambda x: F.layer_norm(x, x.shape[3:], eps=1e-6)),
    "other groups": (lambda x: F.group_norm(x, 2), lambda x: F.group_norm(x, 4)),
    "zeros are entries": (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2),
    ),
    "a part of a window": (lambda x: x.amax(3), lambda x: x[..., 1:].amax(3)),
    "one half only": (halves(F.relu), lambda x: torch.cat([F.relu(x[:, :2]), x[:, 2:]], 1)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_arguments_have_equal_results(name: str) -> None:
    assert proved(*EQUAL[name], IMAGE, fixed=CHANNELS)


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_arguments_prove_nothing(name: str) -> None:
    assert not proved(*DIFFERENT[name], IMAGE, fixed=CHANNELS)


ORDERS = [*itertools.permutations(range(3))]


@pytest.mark.parametrize("order", ORDERS)
def test_only_the_order_that_was_taken_leads_back(order: tuple[int, ...]) -> None:
    for other in ORDERS:
        back = [other.index(axis) for axis in range(3)]
        run: Run = lambda x, back=back: torch.tanh(x.permute(order)).permute(back)  # noqa: E731
        assert proved(torch.tanh, run, (2, 3, 4)) == (other == order)


CAUSAL: Run = lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)  # noqa: E731


@pytest.mark.parametrize(
    ("mask", "is_equal"),
    [
        (lambda s: s.masked_fill(above(s, 1), -math.inf), True),
        (lambda s: s + torch.full((s.shape[-1], s.shape[-1]), -math.inf).triu(1), True),
        (lambda s: torch.where(above(s, 1), -math.inf, s), True),
        (lambda s: s, False),
        (lambda s: s.masked_fill(above(s, 2), -math.inf), False),
        (lambda s: s.masked_fill(above(s, 1), 0), False),
    ],
)
def test_masks_take_entries_out_of_softmax(mask: Callable[[Tensor], Tensor], is_equal: bool) -> None:
    assert proved(CAUSAL, causal(mask), (2, 3, 4), fixed=((0, 2),)) == is_equal


def test_attention_is_what_it_is_made_of() -> None:
    shapes = ((2, 3, 4), (2, 5, 4), (2, 5, 4))

    def parts(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.softmax(q @ k.transpose(1, 2) * q.shape[-1] ** -0.5, -1) @ v

    assert proved(F.scaled_dot_product_attention, parts, *shapes)
    assert not proved(F.scaled_dot_product_attention, lambda q, k, v: parts(q, v, k), *shapes)


def test_floats_are_the_roots_that_code_computes() -> None:
    for whole in (2, 3, 7, 64, 80, 96, 768):
        assert fraction(whole**-0.5) ** 2 * whole == 1
        assert fraction(math.sqrt(1 / math.sqrt(whole))) ** 4 * whole == 1
    assert fraction(0.1).is_Rational
    assert fraction(1.4142).is_Rational
