"""Strong cases at random, and whether `--strict` holds for every seed: what a case can tell is no matter of chance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random

from benchmarks.correct_cases import catalogued
from benchmarks.tables import Written
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.verification import verify

SEEDS = 20
STRONG = 100

LARGE = (
    ("fold-batchnorm", "Sequential(Linear(512, 512), BatchNorm1d(512))", (8, 512)),
    ("fold-batchnorm", "Sequential(Conv2d(32, 64, 3), BatchNorm2d(64))", (2, 32, 12, 12)),
    ("linear-as-conv1x1", "Linear(1024, 768)", (4, 1024)),
    ("unfold-matmul", "Conv2d(32, 64, 7, padding=3)", (1, 32, 14, 14)),
    ("winograd", "Conv2d(32, 32, 3)", (1, 32, 12, 12)),
    ("merge-convs", "Sequential(Conv2d(16, 32, 3), Conv2d(32, 32, 1))", (1, 16, 9, 9)),
)
"""Layers of so many weights that one of them or another meets a random zero."""


@dataclass(frozen=True)
class Seeds:
    """A case, and what `--strict` said of it for each seed: the weaknesses; other reasons are failures."""

    claim: Claim
    weak: tuple[tuple[str, ...], ...]
    failures: tuple[str, ...]

    @property
    def strong(self) -> bool:
        """Whether some seed shows no weakness; one that is there shows for all of them."""
        return () in self.weak

    @property
    def by_chance(self) -> int:
        """How many seeds call a strong case weak."""
        return sum(bool(texts) for texts in self.weak) if self.strong else 0


def seeds_of(claim: Claim, count: int) -> Seeds:
    """Verify one claim with so many seeds."""
    results = [verify(replace(claim, case=replace(claim.case, seed=seed, strict=True))) for seed in range(count)]
    weak = tuple(tuple(map(str, result.weaknesses)) for result in results)
    failures = tuple(
        f"seed {seed}: {result.verdict}, {result.reason}"
        for seed, result in enumerate(results)
        if not result.ok and not result.weaknesses
    )
    return Seeds(claim, weak, failures)


def claims(names: Sequence[str], seed: int, each: int) -> Iterator[Claim]:
    """Yield claims of the large layers, then of drawn ones, one of every rewrite in turn, `each` of all."""
    for name, layer, shape in LARGE:
        if name in names:
            yield Claim(Case(name, parse_layer(layer), (shape,)), name, catalogue()[name], ())
    drawn = {name: iter(catalogued(name, each, Random(f"{seed} {name}"))) for name in sorted(names)}
    for name in cycle(sorted(names)):
        pair = next(drawn[name], None)
        if pair is None:
            return
        yield Claim(Case(name, *pair), name, catalogue()[name], ())


def strong_cases(names: Sequence[str], seed: int, strong: int, seeds: int) -> Iterator[Seeds]:
    """Yield what comes of claims until so many of them are strong; a weak one is tried with two seeds only."""
    left = strong
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for claim in claims(names, seed, strong):
            outcome = seeds_of(claim, 2)
            if outcome.strong or len(set(outcome.weak)) > 1:
                outcome = seeds_of(claim, seeds)
                left -= 1
            yield outcome
            if not left:
                return


def seeds_table(outcomes: Sequence[Seeds]) -> Written:
    """Return how many cases are strong, how many verdicts that is, and how many of them are weak all the same."""
    strong = [outcome for outcome in outcomes if outcome.strong]
    verdicts = sum(len(outcome.weak) for outcome in strong)
    weak, failures = sum(outcome.by_chance for outcome in strong), sum(len(outcome.failures) for outcome in outcomes)
    cells = (str(len(outcomes)), str(len(strong)), f"{verdicts:,}", str(weak), str(failures))
    return Written(("--strict", "cases", "strong", "with all seeds", "weak by chance", "wrong"), [("all", *cells)])
