"""The rules are what torch computes: with real functions in real numbers, and polynomials modulo a prime."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn

from convcheck.proof.parts.counting import EXACT, Counting
from convcheck.proof.parts.evaluate import Evaluation
from convcheck.proof.parts.fields import Field, Numbers, Unproven, Whole
from convcheck.proof.parts.modular import Modular, canonical, reduced
from convcheck.tracing.float64_copy import float64_by_default
from convcheck.tracing.trace import Trace, trace
from tests.proof.parts.real_field import Real
from tests.tracing.programs import PROGRAMS, Calling
from tests.tracing.test_reading import traced
from tests.tracing.test_running_error import MODULES, image

PRIME = 524287
"""2^19 - 1, which is 7 modulo 8."""

UNREAD = {"complex": "complex numbers", "prod": "prod", "cumprod": "cumprod"}
"""Programs with an operator that no rule knows."""


ALL = {
    **MODULES,
    "batch norm of its batch": (nn.BatchNorm2d(4, track_running_stats=False), lambda: (image(),)),
    "more pools": (
        Calling(lambda x: F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        lambda: (image(),),
    ),
    "more pieces": (
        Calling(lambda x: F.relu6(9 * x) + F.hardtanh(x) + x.minimum(-x) + x.max(1, keepdim=True)[0]),
        lambda: (torch.randn(1, 2, 3, 3),),
    ),
    "slopes": (nn.Sequential(nn.PReLU(4), nn.LeakyReLU(0.2), nn.PReLU()), lambda: (image(),)),
    "groups of heads": (
        Calling(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True, is_causal=True, scale=0.3)),
        lambda: (torch.randn(1, 4, 3, 2), torch.randn(1, 2, 3, 2), torch.randn(1, 2, 3, 2)),
    ),
    "a mask of numbers": (
        Calling(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m)),
        lambda: (torch.randn(1, 3, 2), torch.randn(1, 4, 2), torch.randn(1, 4, 2), torch.randn(3, 4)),
    ),
}


def evaluate(made: Trace, field: Field, inputs: tuple[Tensor, ...], tensors: Mapping[str, Tensor]) -> Any:
    def given(tensor: Tensor) -> Any:
        return Numbers((tensor,)) if tensor.is_floating_point() else Whole((tensor,))

    return Evaluation(made, field, frozenset(tensors)).run(*map(given, made.arguments(inputs, tensors)))


@pytest.mark.parametrize("name", ALL)
def test_a_rule_computes_what_torch_does(name: str) -> None:
    torch.manual_seed(0)
    module, inputs = ALL[name]
    wide = copy.deepcopy(module).eval().double()
    given = tuple(one.double() if one.is_floating_point() else one for one in inputs())
    if name == "powers":
        with pytest.raises(Unproven, match="a power has a variable in its exponent"):
            evaluate(trace(wide, given), Real(), given, wide.state_dict())
        return
    output = evaluate(trace(wide, given), Real(), given, wide.state_dict())
    torch.testing.assert_close(output.samples[0], wide(*given), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_polynomial_modulo_a_prime_is_what_it_is_on_whole_numbers(name: str) -> None:
    program = PROGRAMS[name]
    generator = torch.Generator().manual_seed(1)
    numbers = [torch.randint(-9, 10, shape, generator=generator).double() for shape in program.shapes]
    inputs = (*numbers, *program.given)
    made = traced(name)
    if name in UNREAD:
        with pytest.raises(Unproven, match=UNREAD[name]):
            evaluate(made, Modular((PRIME,), 0), inputs, {})
        return
    modular = evaluate(made, Modular((PRIME,), 0), inputs, {}).samples[0]
    # All constants are fractions of a power of two, or small: at this multiple everything is whole.
    multiple = 2.0**8 * 9
    with float64_by_default():
        exact = program.function(*inputs) * multiple
    assert torch.equal(exact, exact.round()) or name in ("bilinear 2d", "trilinear 3d", "nearest")
    rests = [canonical(reduced(one, PRIME), PRIME) for one in (modular * multiple, exact.round())]
    torch.testing.assert_close(*rests, rtol=0, atol=0)


def test_the_largest_numbers_are_those_whose_sums_are_exact() -> None:
    length = 2**14
    counting, ones = Counting(2**20), Numbers((torch.ones(1, length, dtype=torch.float64),))
    counting.product(lambda one, other: one @ other.mT, ones, ones)
    assert length * counting.magnitude**2 <= EXACT < length * (2 * counting.magnitude) ** 2
    with pytest.raises(Unproven, match="too long"):
        counting.run(lambda one: one * 2.0**50, (ones,), 1)


def test_a_sum_of_gradients_counts_as_well() -> None:
    copies = 2**38
    counting, one = Counting(2**20), Numbers((torch.ones(1, dtype=torch.float64),))
    counting.run(lambda x: (x.expand(2) * torch.tensor([1.0, copies / 2])).sum().reshape(1), (one,), 1)
    assert copies / 2 * counting.magnitude <= EXACT
