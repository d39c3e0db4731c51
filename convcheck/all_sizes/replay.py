"""Runs both sides in torch at other sizes, on whole numbers: what is refuted is seen to differ there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from convcheck.all_sizes import budget
from convcheck.all_sizes.both import Both, KeepsState
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import INPUT, Given, symbol_name
from convcheck.results import Sides
from convcheck.sizes.patterns import Shape
from convcheck.tracing import capture

LARGEST = 4
DRAWS = 3
MOST_ENTRIES = 2**25
"""How many numbers all tensors that go in may have: a quarter of a gigabyte, and what both sides make of it."""
TOLERANCE = 1e-9
"""Relative to the largest output: whole numbers leave no more than rounding of constants and of roots."""


@dataclass(frozen=True)
class Replayed:
    """What both sides did at some sizes: what each raised, or where their outputs differ, if they do."""

    raised: Sides[str | None]
    at: Shape | None = None
    reason: str | None = None
    shapes: Sides[Shape] | None = None

    @property
    def both_ran(self) -> bool:
        return self.raised.reference is None and self.raised.candidate is None


def replay(both: Both, given: Sequence[Given], seed: int = 0, draws: int = DRAWS, ramps: bool = False) -> Replayed:
    """Run both sides at the shapes of `given`, on several draws, until they differ.

    With `ramps`, two further draws rise and fall along the inputs: the largest entry is then the last, or the first,
    and a window that ends too early shows it at once.
    """
    result = Replayed(Sides(None, None))
    for number in range(draws + 2 * ramps):
        generator = torch.Generator().manual_seed(seed + number)
        tensors = {one.name: draw(one, generator) for one in given}
        if number >= draws:
            tensors |= {one.name: ramp(one, falling=number > draws) for one in given if is_ramp_possible(one)}
        ran = run(both, tensors)
        at, reason = ran.difference() or (None, None)
        result = Replayed(ran.raised, at, reason, ran.shapes())
        if not result.both_ran or result.reason is not None:
            break
    return result


def draw(one: Given, generator: torch.Generator) -> Tensor:
    """Return a tensor of small whole numbers; variances are positive."""
    if one.dtype == torch.bool:
        return torch.rand(one.shape, generator=generator) < 0.5
    if not one.dtype.is_floating_point:
        return torch.zeros(one.shape, dtype=one.dtype)
    if one.name.endswith("running_var"):
        return torch.randint(1, LARGEST, one.shape, generator=generator).double()
    return torch.randint(-LARGEST, LARGEST + 1, one.shape, generator=generator).double()


def is_ramp_possible(one: Given) -> bool:
    """Tell whether a tensor is an input of real numbers."""
    return one.name.startswith(INPUT) and one.dtype.is_floating_point


def ramp(one: Given, falling: bool) -> Tensor:
    """Return whole numbers that rise, or fall, in the order of entries, around 0."""
    count = math.prod(one.shape)
    numbers = torch.arange(count, dtype=torch.float64) - count // 2
    return (-numbers if falling else numbers).reshape(one.shape)


@dataclass(frozen=True)
class Ran:
    """What each side returned at some tensors, or what it raised."""

    raised: Sides[str | None]
    outputs: Sides[Tensor | None]

    def shapes(self) -> Sides[Shape] | None:
        """Return the shapes of both outputs; None if a side raised."""
        one, other = self.outputs.reference, self.outputs.candidate
        return None if one is None or other is None else Sides(tuple(one.shape), tuple(other.shape))

    def difference(self) -> tuple[Shape, str] | None:
        """Return the first index at which both outputs differ, and how; None if they do not, or a side raised."""
        one, other = self.outputs.reference, self.outputs.candidate
        if one is None or other is None:
            return None
        if one.shape != other.shape:
            return (), f"the shapes are {list(one.shape)} and {list(other.shape)}"
        one, other = one.double(), other.double()
        scale = max(1.0, float(one[one.isfinite()].abs().max()) if bool(one.isfinite().any()) else 0.0)
        apart = ((one - other).abs() > TOLERANCE * scale) | (one.isnan() != other.isnan())
        apart |= (one.isinf() | other.isinf()) & (one != other)
        if not bool(apart.any()):
            return None
        place = tuple(apart.nonzero()[0].tolist())
        gives = one[place].item(), other[place].item()
        ours, theirs = map("{:g}".format, gives)
        ours, theirs = (ours, theirs) if ours != theirs else map(repr, gives)
        return place, f"the reference gives {ours} and the candidate {theirs}"


def run(both: Both, tensors: Mapping[str, Tensor]) -> Ran:
    """Run both sides on tensors by name."""
    one, other = (_run(side, tensors) for side in (both.reference, both.candidate))
    return Ran(Sides(one[0], other[0]), Sides(one[1], other[1]))


def _run(
    side: Callable[[Mapping[str, Tensor]], Tensor], tensors: Mapping[str, Tensor]
) -> tuple[str | None, Tensor | None]:
    try:
        with capture.quiet(), torch.no_grad():
            output = side({name: tensor.clone() for name, tensor in tensors.items()})
        if isinstance(output, FakeTensor) or torch._is_functional_tensor(output):
            raise KeepsState("a module keeps what it computed in a trace")
        return None, output
    except KeepsState as error:
        # What it does is no longer what it did in its trace.
        raise CannotProve(str(error)) from None
    except Exception as error:  # whatever a side raises
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, None


def smaller(axes: Mapping[str, int], total: int, limit: int) -> Iterator[dict[str, int]]:
    """Yield all sizes below a sum, smallest first, then in the order of the axes; `limit` of them at most.

    `axes` has the lowest length of each.
    """
    names, count = list(axes), 0
    for extra in range(max(0, total - sum(axes.values()))):
        for places in itertools.combinations_with_replacement(range(len(names)), extra):
            more = [places.count(number) for number in range(len(names))]
            yield {name: axes[name] + one for name, one in zip(names, more, strict=True)}
            count += 1
            if count == limit:
                return


def resized(given: Sequence[Given], sizes: Mapping[str, int]) -> list[Given]:
    """Return tensors with other lengths along the axes that are named. Raises TooLarge if they hold too much."""

    def shape(one: Given) -> Shape:
        return tuple(sizes.get(symbol_name(one.name, axis), size) for axis, size in enumerate(one.shape))

    others = [Given(one.name, shape(one), one.dtype, one.varies) for one in given]
    if (entries := sum(math.prod(one.shape) for one in others)) > MOST_ENTRIES:
        raise budget.TooLarge(f"torch would have to be run with {entries:,} numbers")
    return others
