"""Runs in float32 and half precision are within the bound of the running error analysis, which is not idle."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convcheck.rounding import running_error as rounding
from convcheck.rounding.precision import Arithmetic, arithmetic
from convcheck.rounding.running_error import Computed, exactly
from convcheck.tracing.running_error import NoErrorRule, bound
from convcheck.tracing.trace import Trace, trace

pytestmark = pytest.mark.kernels

CPU = torch.device("cpu")
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm over channels last, two linear layers with GELU between, and a scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.scale = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.mlp(y)).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention after a layer norm, with a residual connection; by hand or by torch's operator."""

    def __init__(self, width: int, heads: int, *, by_hand: bool) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.by_hand = heads, by_hand

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.by_hand:
            y = ((q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5).softmax(-1) @ v
        else:
            y = functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(1, 2).reshape(b, n, c))


class SqueezeExcite(nn.Module):
    """A convolution, whose channels are scaled by what two layers make of their means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.gate = nn.Sequential(nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv(x))
        return x * self.gate(x.mean((2, 3), keepdim=True))


def image(channels: int = 4, size: int = 6) -> Tensor:
    return torch.randn(2, channels, size, size)


SMOOTH = (
    nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.ELU(), nn.Mish(), nn.Hardswish(), nn.Softplus()
)  # fmt: skip


def functions(x: Tensor) -> Tensor:
    """Put all smooth functions side by side, and powers, roots and exponentials, of numbers with errors."""
    x = 0.7 * x
    positive = x.abs() + 0.1
    others = (
        torch.exp(x),
        x.erf(),
        torch.log(positive),
        positive.sqrt(),
        positive.rsqrt(),
        x**2,
        x**3,
        1 / positive,
        x.sin(),
    )
    return torch.stack([*(module(x) for module in SMOOTH), *others])


def powers(x: Tensor) -> Tensor:
    """Put powers side by side, of which exponents vary or are rounded to the dtype, or bases have errors."""
    x = 0.7 * x
    positive = x.abs() + 0.1
    several = (2**x, 0.3**x, torch.exp2(x), positive**x, positive**0.7, x.relu() ** 0.3, positive ** (0.3 * x.mean()))
    held = positive ** torch.tensor(0.7)
    return torch.stack([*several, held])


def pieces(x: Tensor) -> Tensor:
    half = x / 3
    return torch.stack(
        [half.relu(), functional.leaky_relu(half), half.clamp(-0.1, 0.2), torch.maximum(half, -half), half.abs()]
    )


def pools(x: Tensor) -> Tensor:
    y = 0.3 * x
    return torch.cat([functional.max_pool2d(y, 2), functional.avg_pool2d(y, 2), functional.adaptive_avg_pool2d(y, 3)])


def reductions(x: Tensor) -> Tensor:
    return torch.stack([x.sum(1), x.mean(1), x.var(1), x.std(1), x.norm(dim=1), x.logsumexp(1), x.amax(1)])


def movement(x: Tensor) -> Tensor:
    y = functional.pad(0.3 * x, (1, 1, 1, 1), mode="circular").flip(-1).roll(1, 2)[:, :, 1:, ::2]
    return torch.cat([y, functional.pad(y, (1, -1), value=0.1)], 1).repeat(1, 2, 1, 1)


def masked(x: Tensor) -> Tensor:
    ahead = torch.ones(6, 6, dtype=torch.bool).triu(1)
    y = torch.where(x > 0, x, 0.1 * x)
    return torch.cat([(3 * y).masked_fill(ahead, -math.inf).softmax(-1), (3 * y).log_softmax(1)])


SHIFT = 8.0
"""A mean so much larger than the deviation cancels four bits and more."""


def trained_at(mean: float) -> nn.BatchNorm2d:
    """Return a batch norm whose input had this mean, and a small variance."""
    norm = nn.BatchNorm2d(4)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.fill_(mean)
    norm.running_var.fill_(0.01)
    return norm


MODULES: dict[str, tuple[nn.Module, Callable[[], tuple[Tensor, ...]]]] = {
    "convolutions": (nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=8)), lambda: (image(),)),
    "a transposed convolution": (nn.ConvTranspose2d(4, 3, 3, 2), lambda: (image(),)),
    "matrix products": (nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 8)), lambda: (torch.randn(5, 64),)),
    "einsum": (Function(lambda x: torch.einsum("bchw,bdhw->bcd", x, x)), lambda: (image(),)),
    "functions": (Function(functions), lambda: (image(),)),
    "powers": (Function(powers), lambda: (image(),)),
    "pieces": (Function(pieces), lambda: (image(),)),
    "pools": (Function(pools), lambda: (image(),)),
    "reductions": (Function(reductions), lambda: (image(),)),
    "movement": (Function(movement), lambda: (image(),)),
    "choices": (Function(masked), lambda: (image(),)),
    "folded windows": (nn.Fold((6, 6), 3), lambda: (torch.randn(2, 18, 16),)),
    "interpolation": (nn.Upsample((17, 23), mode="bilinear"), lambda: (image(),)),
    "layer norm": (nn.LayerNorm(6), lambda: (image(),)),
    "group norm": (nn.GroupNorm(2, 4), lambda: (image().to(memory_format=torch.channels_last),)),
    "instance norm": (nn.InstanceNorm2d(4), lambda: (image(),)),
    "batch norm": (trained_at(SHIFT), lambda: (image(),)),
    "rms norm": (nn.RMSNorm(6), lambda: (image(),)),
    "embedding": (nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 4)), lambda: (torch.tensor([[1, 2], [4, 0]]),)),
    "ConvNeXt": (ConvNeXtBlock(16), lambda: (image(16, 8),)),
    "attention": (Attention(32, 4, by_hand=False), lambda: (torch.randn(2, 9, 32),)),
    "attention by hand": (Attention(32, 4, by_hand=True), lambda: (torch.randn(2, 9, 32),)),
    "squeeze and excite": (SqueezeExcite(16), lambda: (image(16),)),
    "patches": (nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), nn.LayerNorm(4)), lambda: (image(3, 8),)),
}

NUMBERS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda x: x,
    "large": lambda x: 30 * x,
    "tiny": lambda x: 1e-5 * x,
    "cancelling": lambda x: SHIFT + 0.1 * x,
}


def rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def wide(tensor: Tensor) -> Tensor:
    return rounded(tensor, torch.float64)


_TRACES: dict[str, Trace] = {}


def traced(name: str) -> Trace:
    if name not in _TRACES:
        module, inputs = MODULES[name]
        _TRACES[name] = trace(copy.deepcopy(module).eval().double(), tuple(map(wide, inputs())))
    return _TRACES[name]


def run(name: str, dtype: torch.dtype, change: Callable[[Tensor], Tensor], unit: Arithmetic) -> tuple[Tensor, Computed]:
    """Return the output of a run in a dtype, in float64, and the analysis of it."""
    module, inputs = MODULES[name]
    module = copy.deepcopy(module).eval().to(dtype)
    given = tuple(rounded(change(x) if x.is_floating_point() else x, dtype) for x in inputs())
    state = {key: wide(value).detach() for key, value in module.state_dict().items()}
    with torch.no_grad():
        output = module(*given).double()
    return output, bound(traced(name).graph, traced(name).arguments(tuple(map(wide, given)), state), unit)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_runs_are_within_the_bound(name: str, dtype: torch.dtype) -> None:
    unit = arithmetic(dtype, CPU)
    for change in NUMBERS.values():
        output, computed = run(name, dtype, change, unit)
        off = (output - computed.value).abs()
        fits = output.isfinite() & computed.error.isfinite()
        assert bool(fits.any())
        assert bool((off <= computed.error)[fits].all())


def summed_one_by_one(products: Tensor) -> Tensor:
    """Add up along the last axis in float32, and round after every addition."""
    total = torch.zeros(products.shape[:-1], dtype=torch.float32)
    for column in products.unbind(-1):
        total = total + column
    return total


def test_the_bound_of_a_matrix_product_is_within_some_times_of_errors_made_by_hand() -> None:
    """Of positive products added one by one, with n the number of them.

    The k-th partial sum is k/n of the size, and rounded by 1/sqrt(3) of a unit of it at most, rms: sqrt(n)/3 units of
    the size together. The bound is (lambda + 1) sqrt(n) of them and some more, 21 times as much, and the largest error
    of many is more than the rms error.
    """
    x, weight = torch.rand(20, 256) + 0.5, torch.rand(16, 256) + 0.5
    graph = trace(Function(functional.linear), (x.double(), weight.double()))
    arguments = graph.arguments((x.double(), weight.double()), {})
    computed = bound(graph.graph, arguments, arithmetic(torch.float32, CPU))
    off = (summed_one_by_one(x[:, None] * weight).double() - computed.value).abs()
    assert 1 < float(computed.error.max() / off.max()) < 42


def test_in_half_precision_a_rounded_truth_uses_most_of_the_bound() -> None:
    """One rounding is most of the error of an operator there."""
    unit = arithmetic(torch.bfloat16, CPU)
    for function in (functional.gelu, torch.sigmoid, lambda x: x.mean(-1), lambda x: functional.layer_norm(x, (64,))):
        x = torch.randn(32, 64).bfloat16().double()
        graph = trace(Function(function), (x,))
        computed = bound(graph.graph, graph.arguments((x,), {}), unit)
        off = (computed.value.bfloat16().double() - computed.value).abs()
        assert 0.2 < float((off / computed.error).max()) <= 1


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float64], ids=str)
def test_the_bound_of_a_linear_layer_is_about_that_of_attention(dtype: torch.dtype) -> None:
    """Two writings of one theorem: `convcheck.rounding` has it for the parts of an attention."""
    unit = arithmetic(dtype, CPU)
    x, weight, bias = (torch.randn(*shape).to(dtype).double() for shape in ((9, 96), (5, 96), (5,)))
    graph = trace(Function(functional.linear), (x, weight, bias))
    computed = bound(graph.graph, graph.arguments((x, weight, bias), {}), unit)
    other = rounding.linear(exactly(x), weight, bias, unit)
    assert float((computed.error / other.error).min()) > 1 / 3
    assert float((computed.error / other.error).max()) < 3


def test_an_error_that_comes_in_reaches_the_output_through_the_slope() -> None:
    """The first layer is all error here: its products are stored in bfloat16, and then multiplied by 1000."""
    unit = arithmetic(torch.bfloat16, CPU)
    x = torch.randn(4, 8).bfloat16().double()
    by = {}
    for factor in (1.0, 1000.0):
        graph = trace(Function(lambda x, factor=factor: factor * (x * 0.3) - factor * 0.3 * x), (x,))
        by[factor] = bound(graph.graph, graph.arguments((x,), {}), unit).error.max()
    assert 300 < float(by[1000.0] / by[1.0]) < 3000


def test_flushing_widens_the_bound_where_numbers_are_below_the_normal_range() -> None:
    unit = arithmetic(torch.float16, CPU)
    x = torch.full((3,), 2.0**-16, dtype=torch.float64)
    graph = trace(Function(lambda x: x * x.new_full((), 1000.0)), (x,))
    arguments = graph.arguments((x,), {})
    lost = float(x[0]) * 1000
    assert float(bound(graph.graph, arguments, unit).error.max()) < lost / 100
    assert float(bound(graph.graph, arguments, unit.flushing()).error.min()) >= lost


def test_a_cast_in_the_code_is_rounded_to_its_dtype() -> None:
    x = torch.randn(50, dtype=torch.float64)
    graph = trace(Function(lambda x: x.half().to(x.dtype)), (x,))
    computed = bound(graph.graph, graph.arguments((x,), {}), arithmetic(torch.float64, CPU))
    off = (x.half().double() - x).abs()
    assert bool((off <= computed.error).all())
    # The bound is twice one rounding for float64, of which the truth is as good as the run.
    assert float((off / computed.error).max()) > 0.25


def test_an_operator_without_a_rule_is_named_with_its_node() -> None:
    x = torch.randn(3, 4, dtype=torch.float64)
    graph = trace(Function(lambda x: torch.sort(x)[0] + 1), (x,))
    with pytest.raises(NoErrorRule) as raised:
        bound(graph.graph, graph.arguments((x,), {}), arithmetic(torch.float32, CPU))
    assert raised.value.name == "sort"
    assert Trace.place_of(raised.value.node) is not None
