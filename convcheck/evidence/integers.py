"""Probes of integers, on which floating-point sums are exact in any order.

A convolution and its rewrite are sums of products. With whole numbers in [-M, M] and at most K products in any sum,
no partial sum exceeds K * M^2; as long as that is at most 2^53, float64 holds every one of them exactly, however
the sum is ordered. Two outputs of the same function are then bit-identical.

If they were different functions, their difference would be a polynomial of degree 2 in inputs and parameters that is
not zero, and a random probe would be one of its roots with a probability of at most 2 / (2M + 1)
(J. T. Schwartz, Fast Probabilistic Algorithms for Verification of Polynomial Identities, 1980, Lemma 1).

A candidate that goes through a transform (an FFT, say) only lands next to the integers. M is then small enough for its
a-priori error bound to stay under a quarter, and both outputs and gradients are rounded before they are compared.

The probes run on the CPU whatever the device: they are about the function, not about the platform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.evidence.pair import Pair, torch_may_refuse
from convcheck.patterns import Shape

EXACT = 2**53
"""float64 holds every whole number up to here."""

UNIT_ROUNDOFF = 2.0**-53
QUARTER = 0.25
"""The error that a transform may make on integers: half of what would still round to the right one."""

DEGREE = 2
FALSE_ACCEPT = 1e-9
"""Probes are added until a wrong rewrite would slip through more rarely than this."""


@dataclass(frozen=True)
class Plan:
    """How large the integers are and how many probes it takes.

    `terms` is the most products in the sum of any output, `longest` in any sum at all, those of the gradients included.
    """

    terms: int
    longest: int
    magnitude: int
    probes: int
    error: float
    """The bound of a transform's error on these integers, 0 where every sum is exact."""

    @property
    def false_accept(self) -> float:
        """The probability that a wrong rewrite passes all probes, at most."""
        return self.after(self.probes)

    def after(self, probes: int) -> float:
        """Return the same for the first `probes` of them."""
        return float((DEGREE / (2 * self.magnitude + 1)) ** probes)


@dataclass(frozen=True)
class Probe:
    """One drawn probe with both outputs, still attached to their graph."""

    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    """What each of `inputs` is: "input", then the reference's parameters by name."""
    reference: Tensor
    candidate: Tensor
    generator: torch.Generator
    magnitude: int
    rounded: bool
    """Whether the candidate lands next to integers, and is to be rounded."""

    def whole(self, tensor: Tensor) -> Tensor:
        """Return a tensor of the candidate's as the integers that it stands for."""
        return tensor.round() if self.rounded else tensor


def plan(pair: Pair, shape: Shape) -> Plan:
    """Measure the longest sum on both sides, forwards and backwards, and choose M and the number of probes.

    With ones everywhere nothing cancels, as long as a candidate brings no negative constants of its own; so an output,
    or a gradient, is just the number of its products.
    """
    x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    parameters = {
        name: torch.ones(p.shape, dtype=torch.float64, requires_grad=True)
        for name, p in pair.reference.named_parameters()
    }
    terms = longest = 1.0
    for output in pair.run(parameters, x):
        counts = pull_back(output, [x, *parameters.values()], torch.ones_like(output))
        terms = max(terms, float(output.detach().max().round()))
        longest = max(terms, longest, *(float(count.max().round()) for count in counts))
    magnitude = max(1, math.isqrt(EXACT // int(longest)))
    if pair.gain:
        magnitude = max(1, min(magnitude, math.isqrt(int(QUARTER / (UNIT_ROUNDOFF * pair.gain)))))
    probes = math.ceil(math.log(FALSE_ACCEPT) / math.log(DEGREE / (2 * magnitude + 1)))
    return Plan(int(terms), int(longest), magnitude, probes, UNIT_ROUNDOFF * pair.gain * magnitude**2)


def draw(pair: Pair, shape: Shape, plan: Plan, seed: int) -> Iterator[Probe]:
    """Yield the planned probes one by one, each from its own stream of the seed."""
    for index in range(plan.probes):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + index) % 2**63)
        x = integers(shape, plan.magnitude, generator).requires_grad_()
        parameters = {
            name: integers(tuple(p.shape), plan.magnitude, generator).requires_grad_()
            for name, p in pair.reference.named_parameters()
        }
        outputs = pair.run(parameters, x)
        tensors, names = (x, *parameters.values()), ("input", *parameters)
        yield Probe(tensors, names, *outputs, generator, plan.magnitude, rounded=pair.gain > 0)


def pull_back(output: Tensor, inputs: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of `output` in `inputs`: zeros where the output does not depend on one, or on none."""
    if not output.requires_grad:
        return tuple(torch.zeros_like(each) for each in inputs)
    with torch_may_refuse():
        return torch.autograd.grad(output, inputs, cotangent, materialize_grads=True)


def integers(shape: Shape, magnitude: int, generator: torch.Generator) -> Tensor:
    """Draw whole numbers, uniform in [-magnitude, magnitude], as float64."""
    return torch.randint(-magnitude, magnitude + 1, shape, generator=generator, dtype=torch.float64)
