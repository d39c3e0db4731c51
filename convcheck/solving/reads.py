"""Which entries of the inputs both sides read for one output, where they read others."""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.proof.observations import pull_back
from convcheck.results import Sides
from convcheck.solving.halves import Half


def other_reads(halves: Sides[Half], generator: torch.Generator) -> str | None:
    """Say what the candidate reads otherwise than the reference, for the entry in the middle of the output.

    Return None where it reads the same. Raises CannotRunError as the sides do.
    """
    inputs = halves.reference.draw(generator)
    ours, at = _read(halves.reference, inputs, generator)
    theirs, _ = _read(halves.candidate, inputs, generator)
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if torch.equal(one, other):
            continue
        name = "x" if len(ours) == 1 else f"x{number}"
        if (shift := _shift(one, other)) is not None:
            places = ", ".join(f"n{step:+d}" if step else ":" for step in shift)
            return f"the candidate reads {name}[{places}] for {name}[{', '.join('n' if s else ':' for s in shift)}]"
        counts = f"{int(one.sum())} entries of {name}, and the candidate {int(other.sum())}"
        if int(one.sum()) == int(other.sum()):
            counts = f"other entries of {name} than the candidate"
        return f"for output {at} the reference reads {counts}"
    return None


def _read(half: Half, inputs: tuple[Tensor, ...], generator: torch.Generator) -> tuple[list[Tensor], list[int]]:
    """Return which entries of every input of numbers the middle of the output depends on, and where that is."""
    given = tuple(one.detach().clone().requires_grad_() if one.is_floating_point() else one for one in inputs)
    output = half.run(given, torch.rand(half.entries, generator=generator, dtype=torch.float64) + 0.1)
    middle = torch.zeros_like(output)
    at = [size // 2 for size in output.shape]
    middle[tuple(at)] = 1.0
    gradients = pull_back(output, [one for one in given if one.requires_grad], middle)
    return [one != 0 for one in gradients], at


def _shift(one: Tensor, other: Tensor) -> list[int] | None:
    """Return by how much the places of one tensor have to move to be those of the other; None if no shift does."""
    ours, theirs = one.nonzero(), other.nonzero()
    if len(ours) != len(theirs) or not len(ours):
        return None
    steps = theirs - ours
    return steps[0].tolist() if bool((steps == steps[0]).all()) else None
