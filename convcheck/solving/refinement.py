"""Which entries of both sides play the same part: classes, refined by gradients until nothing tells more apart.

Entries of one class get the same random number. Where two sides compute the same, entries that stand for each other
have the same gradient at any such numbers, as the numbers stand for each other, too. So a class whose entries have
several gradients is several classes. What no gradient tells apart, such as the units of a hidden layer, can be
exchanged: such entries are paired in their order, one class after the other.

Gradients are those of random sums of the outputs, in float64.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convcheck.proof.observations import pull_back
from convcheck.results import Sides
from convcheck.solving.halves import Half

RELATIVE, ABSOLUTE = 1e-8, 1e-12
"""How near gradients are that count as the same: relative to them, and to the largest of all."""

SCALE = 0.1
"""About how large weights are; many of the same sign add up."""


@dataclass
class Classes:
    """The class of every entry of both sides, `[entries]` each, from 0 on.

    `silent` are entries whose number has not mattered, and `alone` those of the candidate that are like none of the
    reference, which are taken to be zero. `spare` are those that add to others, which stand for an entry of the
    reference already; they are zero, too. `exchangeable` are entries of both sides that nothing told apart.
    """

    number: Sides[Tensor]
    silent: Sides[Tensor]
    alone: Tensor
    spare: Tensor
    exchangeable: list[Sides[Tensor]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many classes there are."""
        return max(_last(self.number.reference), _last(self.number.candidate)) + 1

    @property
    def present(self) -> Tensor:
        """Which entries of the candidate are not zero."""
        return ~(self.alone | self.spare)

    def members(self, number: int) -> Sides[Tensor]:
        """Return the entries of both sides that are in a class."""
        theirs = (self.number.candidate == number) & self.present
        return Sides((self.number.reference == number).nonzero().flatten(), theirs.nonzero().flatten())

    def sizes(self) -> Sides[Tensor]:
        """Return how many entries of both sides every class has, `[count]` each."""
        present = self.number.candidate[self.present]
        return Sides(*(torch.bincount(one, minlength=self.count) for one in (self.number.reference, present)))


def _last(classes: Tensor) -> int:
    return int(classes.max()) if classes.numel() else -1


@dataclass
class Refinement:
    """The search for pairs of entries, by runs of both sides."""

    halves: Sides[Half]
    generator: torch.Generator
    deadline: float

    def search(self, *, all_at_once: bool) -> Classes | None:
        """Return classes of one entry of both sides, as far as entries matter and match; None when time is up.

        `all_at_once` pairs all entries of a class that nothing tells apart in their order, and else the first alone.

        Raises:
            CannotRunError: a side's code raises.
        """
        counts = [half.entries for half in (self.halves.reference, self.halves.candidate)]
        classes = Classes(
            Sides(*(torch.zeros(count, dtype=torch.int64) for count in counts)),
            Sides(*(torch.ones(count, dtype=torch.bool) for count in counts)),
            torch.zeros(counts[1], dtype=torch.bool),
            torch.zeros(counts[1], dtype=torch.bool),
        )
        while time.monotonic() < self.deadline:
            before = classes.count, int(classes.present.sum())
            self._refine(classes)
            unchanged = (classes.count, int(classes.present.sum())) == before
            if unchanged and not self._spare(classes) and not self._pair_up(classes, all_at_once):
                return classes
        return None

    def _refine(self, classes: Classes) -> None:
        """Split the classes by the gradients at random numbers."""
        values = SCALE * (0.5 + torch.rand(classes.count, generator=self.generator, dtype=torch.float64))
        inputs = self.halves.reference.draw(self.generator)
        ours = values[classes.number.reference].requires_grad_()
        theirs = torch.where(classes.present, values[classes.number.candidate], 0.0).requires_grad_()
        outputs = self.halves.reference.run(inputs, ours), self.halves.candidate.run(inputs, theirs)
        cotangent = torch.randn(outputs[0].shape, generator=self.generator, dtype=torch.float64)
        gradients = [pull_back(one, [flat], cotangent)[0] for one, flat in zip(outputs, (ours, theirs), strict=True)]
        before, numbers = torch.cat([classes.number.reference, classes.number.candidate]), torch.cat(gradients)
        numbers = without_noise(numbers)
        lengths = [len(one) for one in gradients]
        after, zero = torch.split(split(before, numbers), lengths), torch.split(numbers == 0, lengths)
        classes.number = Sides(*after)
        classes.silent = Sides(classes.silent.reference & zero[0], classes.silent.candidate & zero[1])
        classes.alone = classes.alone | (classes.sizes().reference[classes.number.candidate] == 0)

    @staticmethod
    def _spare(classes: Classes) -> bool:
        """Take all but the first of some entries that stand for one entry to be zero; return False where none do."""
        sizes = classes.sizes()
        several = (sizes.reference == 1) & (sizes.candidate > 1)
        several[classes.number.reference[classes.silent.reference]] = False
        for number in several.nonzero().flatten().tolist():
            classes.spare[classes.members(number).candidate[1:]] = True
        return bool(several.any())

    def _pair_up(self, classes: Classes, all_at_once: bool) -> bool:
        """Pair entries of a class that nothing tells apart; return False where there is none."""
        sizes = classes.sizes()
        several = (sizes.reference == sizes.candidate) & (sizes.reference > 1)
        several[classes.number.reference[classes.silent.reference]] = False
        numbers = several.nonzero().flatten()
        if not len(numbers):
            return False
        if all_at_once and self._pair_within_tensors(classes, numbers):
            return True
        # In their order, the more at once the better; one by one, the fewer there are the sooner it is known.
        counts = sizes.reference[numbers]
        members = classes.members(int(numbers[counts.argmax() if all_at_once else counts.argmin()]))
        members, told = self._side_by_side(classes, members)
        if not told:
            classes.exchangeable.append(members)
        size = len(members.reference) if all_at_once else 1
        fresh = classes.count + torch.arange(size)
        classes.number.reference[members.reference[:size]] = fresh
        classes.number.candidate[members.candidate[:size]] = fresh
        return True

    def _pair_within_tensors(self, classes: Classes, ambiguous: Tensor) -> bool:
        """Pair the entries of all classes that are of one tensor on both sides, in order; return False if none is."""
        rows = Sides(self.halves.reference.owners, self.halves.candidate.owners)
        chosen = torch.zeros(classes.count, dtype=torch.bool)
        chosen[ambiguous] = True
        present = Sides(torch.ones_like(classes.silent.reference), classes.present)
        for side, number, here in (
            (rows.reference, classes.number.reference, present.reference),
            (rows.candidate, classes.number.candidate, present.candidate),
        ):
            least = torch.full((classes.count,), len(number)).scatter_reduce(0, number[here], side[here], "amin")
            most = torch.full((classes.count,), -1).scatter_reduce(0, number[here], side[here], "amax")
            chosen &= least == most
        if not bool(chosen.any()):
            return False
        count = classes.count
        for number, here in (
            (classes.number.reference, present.reference),
            (classes.number.candidate, present.candidate),
        ):
            places = (chosen[number] & here).nonzero().flatten()
            # Entries by class, and in their order within each; the same number on both sides is one class.
            places = places[torch.argsort(number[places], stable=True)]
            number[places] = count + torch.arange(len(places))
        return True

    def _side_by_side(self, classes: Classes, members: Sides[Tensor]) -> tuple[Sides[Tensor], bool]:
        """Return the entries of a class in the order in which they are paired, and whether other pairs tell it.

        Where they are of several tensors, those go together that share other pairs; else those of the same name.
        """
        halves = self.halves
        owners = Sides(halves.reference.owners[members.reference], halves.candidate.owners[members.candidate])
        ours, theirs = (torch.unique(one).tolist() for one in (owners.reference, owners.candidate))
        if len(ours) == 1 or len(ours) != len(theirs):
            return members, False
        names = Sides(list(halves.reference.shapes), list(halves.candidate.shapes))
        shared = self._shared(classes)
        order, told = [], True
        left = list(theirs)
        for number in ours:
            best = max(
                left,
                key=lambda other: (shared[number, other], names.reference[number] == names.candidate[other], -other),
            )
            told = told and bool(shared[number, best])
            left.remove(best)
            order.append(members.candidate[owners.candidate == best])
        counts = [int((owners.reference == number).sum()) for number in ours]
        if counts != [len(one) for one in order]:
            return members, False
        return Sides(members.reference, torch.cat(order)), told

    def _shared(self, classes: Classes) -> Tensor:
        """Return how many pairs every two tensors share."""
        sizes = classes.sizes()
        alone = (sizes.reference == 1) & (sizes.candidate == 1)
        table = torch.zeros(len(self.halves.reference.shapes), len(self.halves.candidate.shapes), dtype=torch.int64)
        where = torch.zeros(classes.count, dtype=torch.int64)
        where[classes.number.reference] = self.halves.reference.owners
        paired = alone[classes.number.candidate] & classes.present
        rows, columns = where[classes.number.candidate[paired]], self.halves.candidate.owners[paired]
        return table.index_put((rows, columns), torch.ones(len(rows), dtype=torch.int64), accumulate=True)


def without_noise(numbers: Tensor) -> Tensor:
    """Return numbers with zeros in place of those that are next to nothing beside the largest."""
    floor = ABSOLUTE * (float(numbers.abs().max()) if numbers.numel() else 0.0)
    return torch.where(numbers.abs() <= floor, 0.0, numbers)


def split(classes: Tensor, numbers: Tensor) -> Tensor:
    """Return classes, from 0 on, within which the numbers are about the same. Both are `[n]`."""
    order = torch.argsort(numbers)
    ordered = numbers[order]
    floor = ABSOLUTE * float(ordered.abs().max()) if len(ordered) else 0.0
    apart = torch.zeros(len(ordered), dtype=torch.bool)
    apart[1:] = ordered.diff() > (RELATIVE * ordered[1:].abs()).clamp(min=floor)
    cluster = torch.empty_like(classes)
    cluster[order] = apart.long().cumsum(0)
    fresh: Tensor = torch.unique(classes * (len(classes) + 1) + cluster, return_inverse=True)[1]
    return fresh
