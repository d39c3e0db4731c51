"""Code that few write, and some do, has a verdict: no fault of convcheck's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import convcheck

Inputs = list[str | tuple[int, ...]]


class Code(nn.Module):
    """A function as a module."""

    def __init__(self, run: Callable[..., Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)


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


def test_a_normed_weight_becomes_a_plain_one() -> None:
    reference, candidate = Wrapped(weight_norm(nn.Conv1d(3, 4, 3))), Wrapped(nn.Conv1d(3, 4, 3))
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
