"""Finds the layouts of the candidate's output in which it could be the reference's, whatever the mapping is.

Entries of an output are known by the entries of the inputs that change them: on both sides these are the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import einops
import torch
from torch import Tensor

from convcheck.config.case import Case
from convcheck.config.replacement import Replacement
from convcheck.proof.evidence.output_layout import axis_names, with_lengths
from convcheck.proof.traced_pair import build_modules, sides_of
from convcheck.results import Sides
from convcheck.rewriting.arrangements import orders
from convcheck.rewriting.steps import EinopsStep
from convcheck.sizes.patterns import Pattern
from convcheck.sizes.relayouts import Rearrangement
from convcheck.solving.halves import Half

CHOICES = 2
"""How often inputs change in as many places."""

WEIGHTS = 2
"""On how many weights: a ReLU hides what is below 0."""

SECONDS = 10.0
"""How long one side is run for it."""

NEAR = 1e-12
"""By how much an output moves that an input does not change, relative to the largest."""

ALIKE, SLACK = 0.7, 0.05
"""Which part of what both sides read has to be the same, and how much less than the most: a ReLU hides some of it."""


def layouts(case: Case, own: Replacement) -> Iterator[Rearrangement]:
    """Yield layouts other than the one that is claimed, the likeliest first.

    Raises:
        CannotRunError: a side cannot be run.
    """
    plain = Replacement(own.layer)
    sides = sides_of(case, plain, build_modules(case, plain), {})
    reads = Sides(_reads(Half(sides.reference)), _reads(Half(sides.candidate)))
    count = min(len(reads.reference), len(reads.candidate))
    ours, theirs = reads.reference[:count], reads.candidate[:count]
    if ours.numel() != theirs.numel():
        return
    informative = [bits for bits in range(count) if bool(ours[bits].any()) and not bool(ours[bits].all())]
    ours, theirs = ours[informative], theirs[informative]
    names = axis_names(case, own, Sides(ours.dim() - 1, theirs.dim() - 1))
    likely = [
        (likeness, with_lengths(Pattern(pattern.target, pattern.source), tuple(ours.shape[1:]), names.reference))
        for likeness, pattern in _patterns(names.reference, ours, theirs)
    ] or [
        # The candidate's axes may be the finer ones.
        (likeness, Rearrangement(pattern))
        for likeness, pattern in _patterns(names.candidate, theirs, ours)
    ]
    best = max((likeness for likeness, _ in likely), default=0.0)
    for likeness, layout in sorted(likely, key=lambda one: -one[0]):
        is_claimed = layout.pattern.source == layout.pattern.target if own.layout is None else layout == own.layout
        if not is_claimed and likeness >= max(ALIKE, best - SLACK):
            yield layout


def _patterns(names: Sequence[str], entries: Tensor, places: Tensor) -> Iterator[tuple[float, Pattern]]:
    """Yield patterns that take entries to places, and which part of what is read is then the same."""
    groups, shape = [(name,) for name in names], tuple(entries.shape[1:])
    sizes = dict(zip(names, shape, strict=True))
    for steps in orders(groups, sizes, (), shape, tuple(places.shape[1:])):
        (step,) = steps
        assert isinstance(step, EinopsStep)
        if not len(entries):
            yield 1.0, step.pattern
            continue
        moved = torch.stack([einops.rearrange(one, str(step.pattern)) for one in entries])
        # Of an entry that nothing changes on these weights it is not known what it reads.
        both = moved.any(0) & places.any(0)
        yield float((moved == places)[:, both].double().mean()) if bool(both.any()) else 0.0, step.pattern


def _reads(half: Half) -> Tensor:
    """Return what changes with inputs in random places, few or many of them: True or False, `[choices, *output]`.

    Some of the choices miss what an entry reads, and others do not. There are fewer of them where time is up.
    """
    generator = torch.Generator().manual_seed(5)
    first, second = half.draw(generator), half.draw(generator)
    weights = [torch.rand(half.entries, generator=generator, dtype=torch.float64) + 0.1 for _ in range(WEIGHTS)]
    # What is below 0 here is not on the negative of the inputs, and a ReLU hides just one of them.
    pairs = [(first, second), (_negative(first), _negative(second))]
    reads: list[Tensor] = []
    deadline = time.monotonic() + SECONDS
    with torch.no_grad():
        runs = [(flat, *pair, half.run(pair[0], flat)) for flat in weights for pair in pairs]
        for halving in range(sum(one.numel() for one in first).bit_length()):
            for _ in range(CHOICES):
                if reads and time.monotonic() > deadline:
                    break
                chosen = [torch.rand(one.shape, generator=generator) < 0.5**halving for one in first]
                changed = torch.zeros(runs[0][-1].shape, dtype=torch.bool)
                for flat, one, other, output in runs:
                    moved = half.run(tuple(map(torch.where, chosen, other, one)), flat) - output
                    changed |= moved.abs() > NEAR * output.abs().max()
                reads.append(changed)
    return torch.stack(reads)


def _negative(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the inputs with the other sign, where they are numbers that have one."""
    return tuple(-one if one.is_floating_point() else one for one in inputs)
