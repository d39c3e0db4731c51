"""Finds the layouts of the candidate's output in which it could be the reference's, whatever the mapping is.

Entries of an output are known by the entries of the inputs that change them, and these are the same on both sides.
"""

from __future__ import annotations

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

DRAWS = 2
"""How often inputs change in as many places, and on how many weights: a ReLU hides what is below 0."""

NEAR = 1e-12
"""By how much an output moves that an input does not change, relative to the largest."""

# Odd, so that no bit of a signature is lost.
_MULTIPLIER = 0x9E3779B97F4A7C15 - 2**64


def layouts(case: Case, own: Replacement) -> Iterator[Rearrangement]:
    """Yield layouts other than the one that is claimed, nearest to the order of axes first.

    Raises:
        CannotRunError: a side cannot be run.
    """
    plain = Replacement(own.layer)
    sides = sides_of(case, plain, build_modules(case, plain), {})
    reads = Sides(_reads(Half(sides.reference)), _reads(Half(sides.candidate)))
    ours, theirs = reads.reference, reads.candidate
    if ours.numel() != theirs.numel():
        return
    names = axis_names(case, own, Sides(ours.dim(), theirs.dim()))
    unchanged = Pattern((), ())
    for pattern in _patterns(names.reference, ours, theirs):
        layout = with_lengths(Pattern(pattern.target, pattern.source), tuple(ours.shape), names.reference)
        unchanged = layout.pattern
        if layout != own.layout and not (own.layout is None and unchanged.source == unchanged.target):
            yield layout
    if unchanged == Pattern((), ()):
        # The candidate's axes may be the finer ones.
        yield from map(Rearrangement, _patterns(names.candidate, theirs, ours))


def _patterns(names: Sequence[str], entries: Tensor, places: Tensor) -> Iterator[Pattern]:
    """Yield the patterns that take entries to places where the same is read."""
    groups = [(name,) for name in names]
    sizes = dict(zip(names, entries.shape, strict=True))
    for steps in orders(groups, sizes, (), tuple(entries.shape), tuple(places.shape)):
        (step,) = steps
        assert isinstance(step, EinopsStep)
        if torch.equal(einops.rearrange(entries, str(step.pattern)), places):
            yield step.pattern


def _reads(half: Half) -> Tensor:
    """Return a hash of what every output entry reads, int64 of the output's shape.

    Inputs change in random places, few or many of them: some of the choices miss what an entry reads, and others do not.
    """
    generator = torch.Generator().manual_seed(5)
    first, second = half.draw(generator), half.draw(generator)
    weights = [torch.rand(half.entries, generator=generator, dtype=torch.float64) + 0.1 for _ in range(DRAWS)]
    with torch.no_grad():
        before = [half.run(first, flat) for flat in weights]
        total = torch.zeros(before[0].shape, dtype=torch.int64)
        for halving in range(sum(one.numel() for one in first).bit_length()):
            for _ in range(DRAWS):
                chosen = [torch.rand(one.shape, generator=generator) < 0.5**halving for one in first]
                inputs = tuple(map(torch.where, chosen, second, first))
                changed = torch.zeros(total.shape, dtype=torch.bool)
                for flat, output in zip(weights, before, strict=True):
                    changed |= (half.run(inputs, flat) - output).abs() > NEAR * output.abs().max()
                total = total * _MULTIPLIER + changed.long()
    return total
