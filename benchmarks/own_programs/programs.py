"""Random programs: 3 to 12 operators, one after the other, with parameters of their own."""

from __future__ import annotations

import math
from random import Random

from benchmarks.own_programs.drawing import Drawing
from benchmarks.own_programs.operator_draws import DRAWS, functions
from benchmarks.own_programs.terms import NoTermError, Term, in_order, input_

FEWEST, MOST = 3, 12


def draw(random: Random, function: str | None) -> tuple[Term, list[Term]]:
    """Return a program and its inputs; with a function that is no polynomial somewhere, if one is given.

    Raises:
        NoTermError: what was drawn does not fit together.
    """
    rank = random.choice((2, 3, 3, 4, 4, 4))
    lengths = (1, 2, 3, 4, 4) if rank == 4 else (2, 2, 3, 4, 4, 5, 6)
    shape = (random.randint(1, 2), *(random.choice(lengths) for _ in range(rank - 1)))
    shapes = [shape] + ([random.choice((shape, (*shape[:-2], shape[-1], 3)))] if random.random() < 0.25 else [])
    if any(math.prod(lengths) > 96 for lengths in shapes):
        raise NoTermError("an input that is too large")
    inputs = [input_(number, part) for number, part in enumerate(shapes)]
    drawing = Drawing(random, inputs, list(inputs))
    steps = random.randint(FEWEST, MOST)
    place = random.randrange(1, steps) if function else None
    value = inputs[0]
    for step in range(steps):
        value = _step(drawing, value, function if step == place else None)
        drawing.values.append(value)
    used = in_order(value)
    if not all(any(one is other for other in used) for one in inputs) or sum(not one.is_leaf for one in used) < FEWEST:
        raise NoTermError("an input that nothing uses")
    if not any(one.operator == "parameter" for one in used):
        raise NoTermError("a program without parameters")
    return value, inputs


def _step(drawing: Drawing, value: Term, function: str | None) -> Term:
    if function:
        return functions(drawing, value, function)
    names = [name for name, (weight, _) in DRAWS.items() for _ in range(weight)]
    for _ in range(40):
        name = drawing.random.choice(names)
        # One operator may stand twice, and not everywhere.
        if drawing.made.count(name) > 1:
            continue
        try:
            result = DRAWS[name][1](drawing, value)
        except NoTermError:
            continue
        drawing.made.append(name)
        return result
    raise NoTermError("nothing fits")
