"""Correct cases at random: layers that a rewrite holds for, on numbers of any size, in any dtype."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import cast

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks import long_layers
from benchmarks.drawn_numbers import Numbers, numbers_for
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DTYPES, DType
from convcheck.layers import Layer
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Shapes
from tests.strategies.catalogued import accepted

THREADS = (1, 2, 4)
LONG = 0.35
"""The share of the cases that have long sums."""


@dataclass(frozen=True)
class Trial:
    """A correct case, what it is run on, and on how many threads."""

    rewrite: str
    case: Case
    numbers: Numbers
    threads: int

    def claim(self) -> Claim:
        return Claim(self.case, self.rewrite, catalogue()[self.rewrite], ())

    def changed(self, point: Sample) -> Sample:
        """Return the point with the numbers of this trial."""
        return self.numbers.at(self.case.layer, point)

    def terms(self) -> float:
        """Return how many products are added up for one output, on average; 0 where entries are only moved."""
        layer, inputs = self.case.layer, self.case.inputs
        return layer.macs(*inputs) / math.prod(layer.output_shape(*inputs))

    def __str__(self) -> str:
        """Return the trial in words, enough to run it again."""
        case, numbers = self.case, self.numbers
        shapes = ", ".join(str(list(shape)) for shape in case.inputs)
        scales = ", ".join(f"1e{power:.3f}" for power in numbers.powers)
        above = f" by 1e{numbers.above:.3f}" if numbers.above else ""
        return (
            f"{self.rewrite}: {case.layer} on {shapes} in {case.dtype}, seed {case.seed}, {self.threads} threads, "
            f"numbers {numbers.kind}{above} at scales {scales}"
        )


def catalogued(name: str, count: int, random: Random) -> list[tuple[Layer, Shapes]]:
    """Draw small layers of every setting, as the tests do; the same ones again where there are not so many."""
    if not count:
        return []
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

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keep()
    return list(islice(cycle(found), count))


def trials(
    names: Iterable[str],
    count: int,
    seed: int,
    dtypes: tuple[str, ...] = DTYPES,
    draw: Callable[[Random, Layer, Shapes, str], Numbers] = numbers_for,
    device: str = "cpu",
) -> Iterator[Trial]:
    """Yield `count` trials, as many of one rewrite as of another: the same ones for the same seed.

    `draw` makes the numbers of a layer, its inputs and a dtype.
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
            numbers = draw(random, layer, inputs, dtype)
            case = Case(name, layer, inputs, dtype=cast("DType", dtype), device=device, seed=random.getrandbits(31))
            yield Trial(name, case, numbers, random.choice(THREADS))
