"""Correct cases at random: layers that a rewrite holds for, on numbers of any size, in any dtype."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from torch import Tensor

from benchmarks import long_layers
from convcheck.catalogue import catalogue
from convcheck.claims import Claim
from convcheck.config.case import DTYPES, Case
from convcheck.evidence.points import Point
from convcheck.layers import Layer
from convcheck.patterns import Shapes
from tests.catalogued import accepted

THREADS = (1, 2, 4)
DECADES = 6.0
"""Scales go from 1e-6 to 1e6."""

FITTING = {"float16": (-5.0, 3.5)}
"""For dtypes of a narrow range, which powers of ten the factors of a case may have between them, so that its products
neither overflow nor all become zero: float16 holds 6e-8 to 65,504."""
BEYOND = 0.15
"""The share of the cases that need not fit."""
LONG = 0.35
"""The share of the cases that have long sums."""


@dataclass(frozen=True)
class Trial:
    """A correct case, and the factors that its inputs and parameters are multiplied with, as powers of ten.

    There is one for every input, then one for every parameter and statistic, in the layer's order.
    """

    rewrite: str
    case: Case
    powers: tuple[float, ...]
    threads: int

    def claim(self) -> Claim:
        return Claim(self.case, self.rewrite, catalogue()[self.rewrite], ())

    def scaled(self, point: Point) -> Point:
        """Return the point with everything multiplied by its factor; a mask of True and False stays."""
        factors = (10**power for power in self.powers)
        inputs = tuple(_times(each, next(factors)) for each in point.inputs)
        names = (*self.case.layer.parameters(), *self.case.layer.statistics())
        return Point(inputs, {name: _times(point.parameters[name], next(factors)) for name in names})

    def terms(self) -> float:
        """Return how many products are added up for one output, on average; 0 where entries are only moved."""
        layer, inputs = self.case.layer, self.case.inputs
        return layer.macs(*inputs) / math.prod(layer.output_shape(*inputs))


def _times(tensor: Tensor, factor: float) -> Tensor:
    return tensor * factor if tensor.is_floating_point() else tensor


def powers(random: Random, count: int, dtype: str) -> tuple[float, ...]:
    """Draw powers of ten, uniform in the decades that are asked for; a third of all cases stays near 1.

    Where a dtype is narrow, most cases draw one after the other, each from what those before it have left.
    """
    most = random.choice((DECADES, DECADES, 1.0))
    low, high = (-math.inf, math.inf) if random.random() < BEYOND else FITTING.get(dtype, (-math.inf, math.inf))
    drawn = {}
    for index in random.sample(range(count), count):
        power = random.uniform(max(-most, low), min(most, high))
        low, high = low - min(power, 0.0), high - max(power, 0.0)
        drawn[index] = power
    return tuple(drawn[index] for index in range(count))


def catalogued(name: str, count: int, random: Random) -> list[tuple[Layer, Shapes]]:
    """Draw small layers of every setting, as the tests do."""
    found: list[tuple[Layer, Shapes]] = []

    @seed(random.getrandbits(32))
    @settings(
        database=None,
        deadline=None,
        max_examples=count,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(accepted(name))
    def keep(drawn: tuple[Layer, Shapes]) -> None:
        found.append(drawn)

    if count:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keep()
    return found


def trials(names: Iterable[str], count: int, seed: int, dtypes: tuple[str, ...] = DTYPES) -> Iterator[Trial]:
    """Yield `count` trials, as many of one rewrite as of another: the same ones for the same seed.

    Few may be missing where a rewrite does not have so many small layers.
    """
    chosen = sorted(names)
    for index, name in enumerate(chosen):
        random = Random(f"{seed} {name}")
        share = count // len(chosen) + int(index < count % len(chosen))
        long = round(LONG * share) if long_layers.makers(name) else 0
        drawn = catalogued(name, share - long, random)
        drawn += [long_layers.drawn_for(name, random) for _ in range(long)]
        for layer, inputs in drawn:
            dtype = random.choice(dtypes)
            numbers = len(inputs) + len(layer.parameters()) + len(layer.statistics())
            case = Case(name, layer, inputs, dtype=dtype, seed=random.getrandbits(31))  # type: ignore[arg-type]
            yield Trial(name, case, powers(random, numbers, dtype), random.choice(THREADS))
