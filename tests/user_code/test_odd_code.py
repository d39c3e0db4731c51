"""Code that few write, and some do, has a verdict: no fault of convcheck's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import convcheck
from tests.user_code.modules.code import Code

Inputs = list[str | tuple[int, ...]]


class Timesteps(nn.Module):
    """Embeds whole numbers by sines of float32, as diffusion models do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, t: Tensor) -> Tensor:
        frequencies = torch.exp(-math.log(10000) * torch.arange(0, 4, dtype=torch.float32) / 4)
        angles = t[:, None].float() * frequencies
        return self.linear(torch.cat([angles.cos(), angles.sin()], -1))


def shifted(x: Tensor) -> Tensor:
    return x + 5 * torch.eye(4, dtype=x.dtype)


PLAIN: dict[str, tuple[nn.Module, Inputs, str, str]] = {
    "a mean of what a mask shows": (
        Code(lambda x, mask: (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)),
        [(2, 5, 8), "bool 2,5"],
        "equal",
        "exact",
    ),
    "a whole number over another": (
        Code(lambda t: torch.div(t, 4, rounding_mode="floor").float()),
        ["int 3,4"],
        "equal",
        "exact",
    ),
    "positions alone": (Code(lambda x: torch.arange(x.shape[1], dtype=x.dtype).sin()), [(3, 4)], "equal", "float64"),
    "what is above zero": (Code(lambda x: x[x > 0].sum()[None]), [(3, 4)], "equal", "black-box"),
    "an inverse": (Code(lambda x: torch.linalg.inv(shifted(x))), [(4, 4)], "equal", "black-box"),
    "a sparse matrix": (
        Code(lambda x: torch.sparse.mm(torch.eye(4, dtype=x.dtype).to_sparse(), x)),
        [(4, 4)],
        "equal",
        "black-box",
    ),
    "float32 in a module": (Timesteps(), ["int 3"], "equal", "exact"),
    "a root of negative numbers": (Code(torch.sqrt), [(4, 8)], "error", ""),
}


@pytest.mark.parametrize(("module", "inputs", "verdict", "evidence"), PLAIN.values(), ids=PLAIN)
def test_a_module_beside_itself(module: nn.Module, inputs: Inputs, verdict: str, evidence: str) -> None:
    result = convcheck.verify(module, list(inputs), candidate=module)
    assert result.verdict == verdict, result.reason
    if evidence:
        assert result.evidence == evidence
    else:
        assert "both sides make NaN of the numbers that are drawn" in str(result.reason)


class Attention(nn.Module):
    """Attends to what a mask shows: in torch's way, or by a softmax of scores that a number hides."""

    def __init__(self, hidden: float | None) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)
        self.hidden = hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, shown = self.query(x), self.key(x), mask[:, None].expand(-1, x.shape[1], -1)
        if self.hidden is None:
            return nn.functional.scaled_dot_product_attention(query, key, x, attn_mask=shown)
        lowest = max(self.hidden, torch.finfo(x.dtype).min) if math.isfinite(self.hidden) else self.hidden
        return (query @ key.mT / 8**0.5).masked_fill(~shown, lowest).softmax(-1) @ x


@pytest.mark.parametrize("hidden", [-1e9, -1e300, -math.inf])
def test_a_row_that_is_masked_whole_is_zeros_in_torch_alone(hidden: float) -> None:
    result = convcheck.verify(Attention(None), [(2, 5, 8), "bool 2,5"], candidate=Attention(hidden))
    assert result.verdict == "different"
    assert str(result.reason).startswith("where masks or whole numbers are others")


class Wrapped(nn.Module):
    """A convolution in a module of its own."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("norm", [weight_norm, nn.utils.weight_norm], ids=["a parametrization", "a hook"])
def test_a_normed_weight_becomes_a_plain_one(norm: Callable[[nn.Module], nn.Module]) -> None:
    reference, candidate = Wrapped(norm(nn.Conv1d(3, 4, 3))), Wrapped(nn.Conv1d(3, 4, 3))
    assert convcheck.verify(reference, (1, 3, 7), candidate=reference).verdict == "equal"
    solution = convcheck.solve(reference, candidate, (1, 3, 7))
    assert solution.status == "found", solution.reason
    names: dict[str, Callable[..., dict[str, Tensor]]] = {}
    exec(str(solution.code), names)
    candidate.load_state_dict(names["convert"](reference.state_dict()))
    x = torch.randn(2, 3, 9)
    torch.testing.assert_close(candidate(x), reference(x))


def test_two_axes_are_cut() -> None:
    solution = convcheck.solve("Conv2d(2, 3, 5, padding=2)", "Conv2d(2, 3, 3, padding=1)", (1, 2, 2, 2))
    assert str(solution.map["weight"]) == "weight: o i kh kw -> o i kh kw | slice kh 1 4 | slice kw 1 4"
    names: dict[str, Callable[..., dict[str, Tensor]]] = {}
    exec(str(solution.code), names)
    weight = torch.randn(3, 2, 5, 5)
    assert torch.equal(
        names["convert"]({"weight": weight, "bias": weight[:, 0, 0, 0]})["weight"], weight[:, :, 1:4, 1:4]
    )


class Scaled(nn.Module):
    """A linear layer times a constant of the code, or one that is a buffer in float32; with a small one beside it."""

    def __init__(self, constant: float, is_buffer: bool = False, eps: float | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        if is_buffer:
            self.register_buffer("scale", torch.tensor(constant))
        else:
            self.scale = constant
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x) * self.scale
        return y if self.eps is None else y / (y.square().mean(-1, keepdim=True) + self.eps).sqrt()


class Rotated(nn.Module):
    """Turns pairs of channels by angles, whose frequencies are a buffer in float32, or are computed."""

    def __init__(self, is_buffer: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        if is_buffer:
            self.register_buffer("frequencies", self.computed(torch.float32), persistent=False)
        self.is_buffer = is_buffer

    @staticmethod
    def computed(dtype: torch.dtype) -> Tensor:
        return 10000 ** (-torch.arange(0, 8, 2, dtype=dtype) / 8)

    def forward(self, x: Tensor) -> Tensor:
        frequencies = self.frequencies if self.is_buffer else self.computed(x.dtype)
        angles = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * frequencies
        even, odd = self.linear(x).unflatten(-1, (4, 2)).unbind(-1)
        return torch.cat([even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()], -1)


@pytest.mark.parametrize(
    ("reference", "candidate", "shape"),
    [
        (Scaled(0.229), Scaled(0.229, is_buffer=True), (4, 8)),
        (Rotated(is_buffer=False), Rotated(is_buffer=True), (2, 5, 8)),
    ],
    ids=["a literal", "angles"],
)
def test_a_constant_may_be_a_buffer_in_float32(
    reference: nn.Module, candidate: nn.Module, shape: tuple[int, ...]
) -> None:
    result = convcheck.verify(reference, shape, candidate=candidate)
    assert result.verdict == "equal", result.reason
    assert any("in float32 the sides are identical" in str(note) for note in result.notes)
    assert convcheck.verify(reference, shape, candidate=candidate, dtype="float64").verdict == "different"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scaled(0.229), Scaled(0.2290001, is_buffer=True)),
        (Scaled(0.229), Scaled(0.2290001)),
        (Scaled(0.229, eps=1e-12), Scaled(0.229, eps=1e-14)),
        (Scaled(0.229, eps=1e-12), Scaled(0.229, is_buffer=True, eps=1e-14)),
    ],
    ids=["a buffer", "a literal", "a small one", "a small one beside a buffer"],
)
def test_another_constant_is_another_function(one: nn.Module, other: nn.Module) -> None:
    assert convcheck.verify(one, (4, 8), candidate=other).verdict == "different"


class Clamped(nn.Module):
    """Keeps what it makes in the range of a dtype, where that is narrow, as a T5 does."""

    def __init__(self, narrow: torch.dtype | None) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y.clamp(-100, 100) if y.dtype == self.narrow else y


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_a_branch_on_a_dtype_is_a_weakness_in_that_dtype(dtype: str) -> None:
    result = convcheck.verify(Clamped(None), (4, 4), candidate=Clamped(torch.float16), dtype=dtype)
    is_weak = any("is another program in float16 than in float64" in str(note) for note in result.notes)
    assert (result.verdict, is_weak) == ("equal", dtype == "float16")


class Tied(nn.Module):
    """Predicts words by the weights that embed them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 8), nn.Linear(8, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, words: Tensor) -> Tensor:
        result: Tensor = self.head(self.embedding(words).tanh())
        return result


def test_the_code_of_a_map_names_tied_weights_by_all_their_names() -> None:
    reference, candidate = Tied(), Tied()
    solution = convcheck.solve(reference, candidate, ["int 2,3"])
    names: dict[str, Callable[..., dict[str, Tensor]]] = {}
    exec(str(solution.code), names)
    candidate.load_state_dict(names["convert"](reference.state_dict()))
    assert torch.equal(candidate(torch.arange(5)), reference(torch.arange(5)))


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_a_variance_of_one_number_is_none() -> None:
    result = convcheck.verify(Code(lambda x: x.var(1)), (2, 1), candidate=Code(lambda x: x.var(1)))
    assert result.verdict == "error"
    assert "both sides make NaN" in str(result.reason)
