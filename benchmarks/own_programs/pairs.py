"""Pairs of programs by number: a reference, and what is equal to it by laws, or has one mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.own_programs import mapping, mutations
from benchmarks.own_programs.laws import rewritten
from benchmarks.own_programs.oracle import Pair, Truth, decide
from benchmarks.own_programs.polynomials import TooLargeError
from benchmarks.own_programs.programs import draw
from benchmarks.own_programs.terms import NoTermError, Shape, leaves
from benchmarks.own_programs.writing import write

FUNCTIONS = ("relu", "gelu", "softmax", "layer_norm", "max_pool")
WITH_FUNCTION = 0.15
"""How many pairs have an operator that is no polynomial."""
WITH_MISTAKE = 0.64
"""How many are made with a mistake; a quarter of these is equal nevertheless."""


@dataclass(frozen=True)
class WrittenPair:
    """A pair as source, with what the oracle knows of it, and how it was made.

    `is_polynomial` is not so where an operator that is none decides an entry of a result.
    """

    number: int
    reference: str
    candidate: str
    inputs: tuple[Shape, ...]
    map: Mapping[str, str]
    truth: Truth
    is_polynomial: bool
    function: str | None
    laws: tuple[str, ...]
    mistake: str | None
    pair: Pair


def drawn(number: int, seed: int) -> WrittenPair:
    """Return the pair of a number, always the same. What is too large, or not decided, is drawn again."""
    kind = Random(f"{seed} {number}")
    function = kind.choice(FUNCTIONS) if kind.random() < WITH_FUNCTION else None
    wrong = kind.random() < WITH_MISTAKE
    for attempt in range(1000):
        try:
            written = _attempt(number, Random(f"{seed} {number} {attempt}"), function, wrong)
        except (NoTermError, TooLargeError):
            continue
        if written.truth is not Truth.UNDECIDED:
            return written
    raise AssertionError(f"nothing could be drawn for number {number}")


def _attempt(number: int, random: Random, function: str | None, wrong: bool) -> WrittenPair:
    reference, inputs = draw(random, function)
    relaid, sources = mapping.relaid(reference, random)
    candidate, laws = rewritten(relaid, random, random.randint(1, 6))
    mistake = None
    if wrong:
        if random.random() < 0.2:
            sources, mistake = mapping.mistaken(sources, random), "map"
        else:
            candidate, mistake = mutations.mistaken(candidate, random)
    left = {one.name for one in leaves(candidate, "parameter")}
    if left != set(sources) or len(leaves(candidate, "input")) != len(inputs):
        raise NoTermError("a parameter or an input that the candidate does not use")
    pair = Pair(reference, candidate, {name: source.term() for name, source in sources.items()})
    truth, is_polynomial = decide(pair)
    return WrittenPair(
        number,
        write(reference, inputs, random),
        write(candidate, inputs, random),
        tuple(one.shape for one in inputs),
        mapping.written(sources),
        truth,
        is_polynomial,
        function,
        tuple(laws),
        mistake,
        pair,
    )
