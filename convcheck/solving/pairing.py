"""From classes to numbers: which entry of the reference every entry of the candidate is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.results import Sides
from convcheck.solving.axes import NOWHERE
from convcheck.solving.halves import Half
from convcheck.solving.refinement import Classes

NEAR = 1e-9
"""How far outputs may be apart, beside the largest of them, where a mapping is worth a proof."""

RUNS = 2


@dataclass(frozen=True)
class Pairing:
    """The number, in the reference, of every entry of the candidate, `[entries]`; NOWHERE for zeros.

    `exchangeable` has texts on what could as well be mapped otherwise; `unmatched` are tensors without partners.
    """

    index: Tensor
    exchangeable: tuple[str, ...]
    unmatched: Sides[tuple[str, ...]]


def pairing(classes: Classes, halves: Sides[Half]) -> Pairing:
    """Return the pairs that classes make."""
    sizes = classes.sizes()
    alone = (sizes.reference == 1) & (sizes.candidate == 1)
    numbers = classes.number
    of_class = torch.full((classes.count,), NOWHERE)
    of_class[numbers.reference] = torch.arange(len(numbers.reference))
    index = torch.where(alone[numbers.candidate] & classes.present, of_class[numbers.candidate], NOWHERE)
    texts = list(_between_tensors(classes, halves))
    mute = _pair_silent(index, classes, halves)
    if len(mute):
        texts += [f"{name} does not matter" for name in _names(halves.candidate, mute, all_of=True)]
        texts += [f"entries of {name} do not matter" for name in _names(halves.candidate, mute, all_of=False)]
    spare = classes.spare.nonzero().flatten()
    for name in _names(halves.candidate, spare, all_of=None):
        texts.append(f"{name} is added to others, so that only the sum is determined")
    used = torch.zeros(len(numbers.reference), dtype=torch.bool)
    used[index[index >= 0]] = True
    left = (~used & ~classes.silent.reference).nonzero().flatten()
    zero = (classes.alone & ~classes.silent.candidate).nonzero().flatten()
    unmatched = Sides(
        tuple(_names(halves.reference, left, all_of=None)), tuple(_names(halves.candidate, zero, all_of=True))
    )
    return Pairing(index, tuple(texts), unmatched)


def _pair_silent(index: Tensor, classes: Classes, halves: Sides[Half]) -> Tensor:
    """Pair entries that do not matter, each with one that does not either; return those for which there is none.

    They follow the others of their tensor, where those come from one with as many; the rest is paired in order.
    """
    ours, theirs = classes.silent.reference.clone(), classes.silent.candidate.clone()
    owners = Sides(halves.reference.owners, halves.candidate.owners)
    for number in torch.unique(owners.candidate[theirs]).tolist():
        sources = index[(owners.candidate == number) & (index >= 0)]
        if not len(sources):
            continue
        partner = owners.reference[sources].mode().values
        left = (ours & (owners.reference == partner)).nonzero().flatten()
        here = (theirs & (owners.candidate == number)).nonzero().flatten()
        if len(left) == len(here):
            index[here] = left
            ours[left], theirs[here] = False, False
    left, here = ours.nonzero().flatten(), theirs.nonzero().flatten()
    if len(left) != len(here):
        return here
    index[here] = left
    return here[:0]


def _between_tensors(classes: Classes, halves: Sides[Half]) -> Iterator[str]:
    """Yield what of several tensors can be exchanged; the units of one tensor can be named in any order, too."""
    groups: dict[tuple[str, ...], None] = {}
    for one in classes.exchangeable:
        names = tuple(_names(halves.reference, one.reference, all_of=None))
        theirs = tuple(_names(halves.candidate, one.candidate, all_of=None))
        if len(names) > 1 and len(theirs) > 1:
            groups[theirs] = None
    yield from (f"{' and '.join(names)} can be exchanged" for names in groups)


def _names(half: Half, entries: Tensor, *, all_of: bool | None) -> Sequence[str]:
    """Return the tensors of which entries are: all of them, some, or (None) either."""
    marked = torch.zeros(half.entries, dtype=torch.bool)
    marked[entries] = True
    names = []
    for name, one in half.tensors(marked).items():
        if bool(one.any()) and (all_of is None or bool(one.all()) is all_of):
            names.append(name)
    return names


def agree(halves: Sides[Half], index: Tensor, generator: torch.Generator) -> bool:
    """Tell whether both sides compute the same on random numbers, with the entries of the candidate so mapped."""

    def mapped(ours: Tensor) -> Tensor:
        if not len(ours):
            return torch.zeros(len(index), dtype=torch.float64)
        return torch.where(index >= 0, ours[index.clamp(min=0)], 0.0)

    return agree_by(halves, mapped, generator)


def agree_by(halves: Sides[Half], mapped: Callable[[Tensor], Tensor], generator: torch.Generator) -> bool:
    """Tell the same of a function that makes all entries of the candidate."""
    for _ in range(RUNS):
        inputs = halves.reference.draw(generator)
        ours = torch.rand(halves.reference.entries, generator=generator, dtype=torch.float64) + 0.1
        with torch.no_grad():
            one, other = halves.reference.run(inputs, ours), halves.candidate.run(inputs, mapped(ours))
        if one.shape != other.shape or float((one - other).abs().max()) > NEAR * float(one.abs().max()):
            return False
    return True
