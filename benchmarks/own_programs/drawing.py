"""What a random program has so far, and what its next operator may take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import numpy as np

from benchmarks.own_programs.terms import NoTermError, Shape, Term, constant, parameter

FACTORS = [Fraction(n) for n in (2, -2, 3, -3, 4, 5)] + [
    Fraction(1, 2),
    Fraction(-1, 4),
    Fraction(1, 8),
    Fraction(3, 2),
]


@dataclass
class Drawing:
    """What a program has so far."""

    random: Random
    inputs: list[Term]
    values: list[Term]
    parameters: int = 0
    made: list[str] = field(default_factory=list)

    def parameter(self, shape: Sequence[int]) -> Term:
        """Return a new parameter, of the program or of a module in it."""
        if math.prod(shape) > 72:
            raise NoTermError("a parameter that is too large")
        self.parameters += 1
        nested = self.random.random() < 0.2
        return parameter(f"part{self.parameters}.w" if nested else f"w{self.parameters}", shape)

    def layer(self, kind: str, weight: Sequence[int], bias: bool) -> tuple[Term, ...]:
        """Return weight and bias of a new layer."""
        if math.prod(weight) > 72:
            raise NoTermError("a weight that is too large")
        self.parameters += 1
        name = f"{kind}{self.parameters}"
        return (parameter(f"{name}.weight", weight), *([parameter(f"{name}.bias", weight[:1])] if bias else []))

    def like(self, shape: Shape) -> Term:
        """Return an operand of a shape, or one that broadcasts to it: a value, a constant or a parameter."""
        others = [one for one in self.values if one.shape == shape]
        way = self.random.random()
        if others and way < 0.45:
            return self.random.choice(others)
        first = self.random.randrange(len(shape))
        part = tuple(length if self.random.random() < 0.8 else 1 for length in shape[first:])
        if way < 0.6 and math.prod(part) <= 24:
            return constant(np.array([self.random.randint(-3, 3) for _ in range(math.prod(part))]).reshape(part))
        return self.parameter(part)
