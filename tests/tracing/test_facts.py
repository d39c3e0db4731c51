"""What is read off whole modules: obstacles with their lines, running statistics, indices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn

from convcheck.layers import parse_layer
from convcheck.modules.build import build
from convcheck.tracing.facts import Facts, Obstacle, facts_of
from convcheck.tracing.magnitudes import magnitudes
from convcheck.tracing.operators import activation
from convcheck.tracing.trace import Trace, trace
from tests.tracing.programs import Calling
from tests.tracing.test_trace import line_of


def traced(function: Callable[..., Tensor], *inputs: Tensor) -> Trace:
    return trace(Calling(function), inputs)


def activated(x: Tensor) -> Tensor:
    return F.gelu(x * 2) + F.relu(x)


def thirds(x: Tensor) -> Tensor:
    return (x / 3 + x.mean(1, keepdim=True)) * 0.5


def tenths(x: Tensor) -> Tensor:
    return x * 0.1


def fractions(x: Tensor) -> Tensor:
    return x / x.shape[0] / (x + 1)


def compared(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 2 * x)


def masked(x: Tensor) -> Tensor:
    return x + torch.zeros(3, 3).masked_fill(torch.ones(3, 3).triu(1) > 0, -torch.inf)


def transformed(x: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(x, n=8))


@pytest.mark.parametrize(
    ("function", "operator", "why"),
    [
        (activated, "gelu", "is transcendental"),
        (fractions, "div", "divides by what depends on inputs or parameters"),
        (compared, "gt", "compares or rounds what depends on inputs"),
    ],
)
def test_what_is_no_polynomial_has_no_degree(function: Callable[..., Tensor], operator: str, why: str) -> None:
    facts = facts_of(traced(function, torch.randn(3, 3)))
    assert (facts.degree, facts.bits, facts.exact) == (None, None, False)
    assert facts.obstacle == Obstacle(operator, line_of(function), why)


@pytest.mark.parametrize(
    ("function", "operator", "why"),
    [
        (thirds, "div", "divides by 3, which is no power of two"),
        (tenths, "mul", "constants have 55 binary digits behind the point"),
        (masked, "add", "a constant is infinite or no number"),
        (transformed, "fft_rfft", "is a transform, whose constants are roots of unity"),
    ],
)
def test_what_is_rounded_keeps_its_degree(function: Callable[..., Tensor], operator: str, why: str) -> None:
    module, place = Calling(function), line_of(function)
    facts = facts_of(trace(module, (torch.randn(3, 3),)))
    assert (facts.degree, facts.bits, facts.exact) == (1, None, False)
    assert facts.obstacle == Obstacle(operator, place, why)


def test_an_operator_that_nobody_knows_is_named() -> None:
    obstacle = facts_of(traced(lambda x: torch.special.bessel_j0(x), torch.randn(3))).obstacle
    assert obstacle is not None
    assert (obstacle.operator, obstacle.why) == ("special_bessel_j0", "is an operator that is not known here")


def test_operators_that_are_no_polynomials_are_torchs() -> None:
    assert [name for name in activation.OPERATORS if not hasattr(torch.ops.aten, name)] == []


class BatchNormByHand(nn.Module):
    """Batch normalisation as detection models have it, all four tensors in buffers."""

    def __init__(self, root: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.root = root
        for name in ("weight", "bias", "mean", "var"):
            self.register_buffer(name, torch.rand(3))
        self.register_buffer("table", torch.tensor([1.0, 0.5]))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (getattr(self, name).view(1, -1, 1, 1) for name in ("weight", "bias", "mean", "var"))
        scale = weight * self.root(var + 2.0**-20)
        return x * scale + (bias - mean * scale) + self.get_buffer("table")[1]


ROOTS = [
    lambda total: total.rsqrt(),
    lambda total: 1 / total.sqrt(),
    lambda total: total.pow(-0.5),
    lambda total: total.sqrt().reciprocal(),
]


@pytest.mark.parametrize("root", ROOTS)
def test_statistics_are_found_by_how_they_are_used(root: Callable[[Tensor], Tensor]) -> None:
    facts = facts_of(trace(BatchNormByHand(root), (torch.randn(2, 3, 4, 4),)))
    assert facts.statistics == {"weight": None, "bias": None, "mean": None, "var": 2.0**-20}
    assert (facts.degree, facts.bits) == (3, 1)


@pytest.mark.parametrize(
    "text",
    [
        "BatchNorm2d(3)",
        "BatchNorm2d(3, affine=False)",
        "BatchNorm2d(3, track_running_stats=False)",
        "Sequential(Conv2d(3, 4, 3), BatchNorm2d(4), AvgPool2d(2))",
        "Sequential(ConvTranspose2d(3, 4, 3), BatchNorm2d(4), ReLU())",
    ],
)
def test_facts_of_a_layer_are_those_that_it_says_itself(text: str) -> None:
    layer = parse_layer(text)
    facts = facts_of(trace(build(layer).eval(), (torch.randn(2, 3, 6, 6),)))
    assert facts.degree == layer.degree()
    assert facts.statistics == {name: one.eps for name, one in layer.statistics().items()}


@pytest.mark.parametrize("module", [nn.BatchNorm2d(3, eps=2.0**-20), *map(BatchNormByHand, ROOTS)])
def test_a_normalisation_stays_below_its_magnitudes_and_reaches_them(module: nn.Module) -> None:
    one = trace(module.eval(), (torch.randn(2, 3, 4, 4),))
    facts = facts_of(one)
    tensors = {name: torch.full((3,), 3.0).double() for name in ("weight", "bias")}
    tensors |= {name: torch.full((3,), -3.0).double() for name in facts.statistics if "mean" in name}
    tensors |= {name: torch.full((3,), 0.25 - 2.0**-20).double() for name in facts.statistics if "var" in name}
    x = torch.full((2, 3, 4, 4), 3.0, dtype=torch.float64)
    bound = magnitudes(one, facts, (x,), tensors)
    output = one.graph(*one.arguments((x,), tensors))
    assert float(output.max()) == bound.forward
    assert float(one.graph(*one.arguments((x,), {**tensors, "bias": -tensors["bias"]})).max()) < bound.forward


def test_the_lengths_that_integer_inputs_index_are_read() -> None:
    def lookup(rows: Tensor, table: Tensor, places: Tensor) -> Tensor:
        return F.embedding(rows, table).gather(1, places.unsqueeze(-1)) + table[places + 1].sum()

    rows, places = torch.tensor([[0, 1]]), torch.tensor([[1, 0]])
    facts = facts_of(traced(lookup, rows, torch.randn(7, 1), places))
    assert (facts.degree, facts.index_limits) == (1, {0: 7, 2: 2})


def test_the_narrowest_dtype_on_the_way_is_said() -> None:
    def halved(x: Tensor) -> Tensor:
        return x.half().double() * 2

    facts: Facts = facts_of(traced(halved, torch.randn(3)))
    assert (facts.degree, facts.significant_bits) == (1, 11)
    assert [(note.text, note.place) for note in facts.notes] == [("computes in float16 (_to_copy)", line_of(halved))]


def test_a_buffer_is_a_constant_unless_it_is_to_take_any_value() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.tensor([2.0**-40, 0.5]))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.get_buffer("scale")

    one = trace(Scaled(), (torch.randn(3, 2),))
    assert (facts_of(one).degree, facts_of(one).bits) == (1, None)
    assert (facts_of(one, {"scale"}).degree, facts_of(one, {"scale"}).bits) == (2, 0)
