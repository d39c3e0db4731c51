"""What a side computes at a sample: its output, and the gradients of one sum of all outputs.

Several kinds of evidence look at the reference at the same numbers: at ones, where outputs and gradients count their
products, and at whole numbers that are drawn. A side that is small remembers what it gave, for all kinds of evidence
and for all claims that share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from convcheck.proof.fingerprints import short
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse

SMALL = 1 << 17
"""How many numbers inputs, parameters and outputs are at most, all together, where a side remembers what it gave: they
are kept in float64 about a dozen times, and a few times more for every dtype, which is some 25 MiB."""

KEPT = 2
"""How many samples of whole numbers are kept."""

SMALL_PART = 1 << 20
"""The same for a part of a batch: it goes with its claim, so that it is kept twice, which is 30 MiB."""

ENGINE: Any = torch.autograd.Variable._execution_engine
TAKES_ENDS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 5)
"""Whether the engine begins at the end of a graph; before, it takes the output."""

T = TypeVar("T")


class Observation(NamedTuple):
    """A sample, the output at it, `[*output]`, and what its variables get back from a cotangent of the output's shape.

    Gradients are by the names of variables, of their shapes. No tensor but those of the sample has a graph.
    """

    sample: Sample
    output: Tensor
    cotangent: Tensor
    gradients: Mapping[str, Tensor]

    def shortened(self) -> Observation:
        """Return it with digests of what is large, which tell as well whether others are equal, and take no memory."""
        slopes = {name: short(slope) for name, slope in self.gradients.items()}
        return self._replace(output=short(self.output), gradients=slopes)


class Graph(NamedTuple):
    """The graph of an output of some shape, which does not hold its numbers; its `end` is None where there is none."""

    shape: torch.Size
    end: GradientEdge | Tensor | None

    @classmethod
    def of(cls, output: Tensor) -> Graph:
        if not output.requires_grad:
            return cls(output.shape, None)
        return cls(output.shape, get_gradient_edge(output) if TAKES_ENDS else output)

    def pull_back(self, inputs: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of the output in `inputs`, of their shapes; zeros for those it does not depend on.

        `cotangent` is of the shape of the output.
        """
        if self.end is None:
            return tuple(torch.zeros_like(tensor) for tensor in inputs)
        with torch_may_refuse():
            # torch.autograd.grad compares the shape of a cotangent that it is given by means of sympy, which takes a
            # third of a second to load.
            slopes = ENGINE.run_backward(
                (self.end,), (cotangent,), False, False, tuple(inputs), allow_unreachable=True, accumulate_grad=False
            )
        found = zip(inputs, slopes, strict=True)
        return tuple(torch.zeros_like(one) if slope is None else slope for one, slope in found)


def observe(side: Side, sample: Sample, draw_cotangent: samples.Draw) -> Observation:
    """Run a side at a sample, forwards and backwards. Raises CannotRunError if torch cannot run it."""
    output, variables = side.run(sample), sample.variables()
    cotangent = draw_cotangent(tuple(output.shape))
    slopes = pull_back(output, list(variables.values()), cotangent)
    return Observation(sample, output.detach(), cotangent, dict(zip(variables, slopes, strict=True)))


def at_ones(side: Side) -> Observation:
    """Return a polynomial at ones, where outputs and gradients are how many products they sum; raises as `observe`."""

    def compute() -> Observation:
        # However many there are, they take the memory of one.
        return observe(side, samples.ones(side), torch.ones((), dtype=torch.float64).expand)

    return remembered(side, "ones", compute)


def at_integers(side: Side, magnitude: int, seed: int, number: int) -> Observation:
    """Return a polynomial at whole numbers in [-magnitude, magnitude], its cotangent, too; raises as `observe`.

    `number` tells several such samples of one seed apart.
    """

    def compute() -> Observation:
        generator = stream(seed, number)
        sample = samples.integers(side, magnitude, generator)
        return observe(side, sample, lambda shape: samples.whole_numbers(shape, magnitude, generator))

    return remembered(side, ("integers", magnitude, seed, number), compute) if number < KEPT else compute()


def stream(seed: int, number: int) -> torch.Generator:
    """Return a stream of random numbers: that of probe `number`, or, with a large one, of another kind of evidence."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)


def remembered(side: Side, key: Hashable, compute: Callable[[], T]) -> T:
    """Return what `compute` makes of a side; a small side remembers it by its key."""
    if key in side.memory:
        return cast(T, side.memory[key])
    value = compute()
    if is_small(side) or (side.of_batch and _size(side) <= SMALL_PART):
        side.memory[key] = value
    return value


def is_remembered(side: Side, value: object) -> bool:
    """Tell whether a side remembers this very value."""
    return any(kept is value for kept in side.memory.values())


def is_small(side: Side) -> bool:
    """Tell whether a side has so few inputs, parameters and outputs that what it gave may be kept."""
    return _size(side) <= SMALL


def _size(side: Side) -> int:
    return sum(map(math.prod, (*side.inputs, *side.parameters.values(), side.output_shape)))


def pull_back(output: Tensor, inputs: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of `output` in `inputs`, see `Graph.pull_back`."""
    return Graph.of(output).pull_back(inputs, cotangent)
