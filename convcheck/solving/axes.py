"""How a tensor of entries is laid out: which axes of the tensor that they come from an index runs along.

Entries are numbered in the order in which the source has them; NOWHERE is an entry that comes from none, and is zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convcheck.sizes.patterns import Group, Pattern, Shape
from convcheck.sizes.relayouts import Operation, Rearrangement, Relayout
from convcheck.solving.factors import Atom, Digit

NOWHERE = -1
STARTS = 64
"""From how many entries lines along the axes are tried; where most of a line comes from somewhere, its steps show."""

COPIES = "r"


def relayout(index: Tensor, shape: Shape, names: Group) -> Relayout | None:
    """Return how a source of `shape`, whose axes have these names, becomes `index`; None if no pattern says it.

    What is returned has not been tried.
    """
    atoms = _atoms(index, shape)
    if atoms is None:
        return None
    start, atoms, flipped = _forwards(index, shape, atoms)
    digits: list[list[Digit]] = []
    steps: list[Operation] = []
    for axis, length in enumerate(shape):
        one = _digits(axis, atoms, start[axis])
        if one is None:
            return None
        found, first = one
        digits.append(found)
        steps += _fitted(names[axis], length, first, math.prod(digit.length for digit in found))
    return _written(index, names, atoms, digits, steps, flipped)


def _atoms(index: Tensor, shape: Shape) -> list[Atom] | None:
    """Return the atoms of all axes of the target, in order; None where an index is no sum of such steps."""
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    lines = _lines(index)
    atoms: list[Atom] = []
    for axis, line in enumerate(lines):
        places: Sequence[Place | None] = [
            None if entry < 0 else tuple((entry // stride) % size for stride, size in zip(strides, shape, strict=True))
            for entry in line
        ]
        spread, places = _spread(places)
        cut = _cut(places) if len(places) > 1 else [(1, tuple(0 for _ in shape))] if spread else []
        if cut is None or (spread and len(cut) > 1):
            return None
        for length, step in cut:
            along = next((number for number, one in enumerate(step) if one), None)
            atoms.append(Atom(axis, length, along, 0 if along is None else step[along], spread))
    return atoms


def _lines(index: Tensor) -> list[list[int]]:
    """Return the entries along every axis through one place, from where most of them come from somewhere."""
    places = (index >= 0).nonzero()
    chosen = places[torch.linspace(0, len(places) - 1, min(STARTS, len(places))).round().long()]
    best: list[list[int]] = []
    count = -1
    for place in chosen.tolist():
        lines = []
        for axis in range(index.dim()):
            at: list[int | slice] = list(place)
            at[axis] = slice(None)
            lines.append(index[tuple(at)].tolist())
        here = sum(entry >= 0 for line in lines for entry in line)
        if here > count:
            best, count = lines, here
    return best


Place = tuple[int, ...]


def _spread(places: Sequence[Place | None]) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], Sequence[Place | None]]:
    """Return how places among zeros are set apart, and the places; nothing where they stand side by side."""
    known = [number for number, place in enumerate(places) if place is not None]
    gaps = {b - a for a, b in itertools.pairwise(known)}
    if len(known) == len(places) or len(gaps) > 1 or gaps == {1}:
        return (), places
    steps: list[tuple[str, tuple[int, ...]]] = [("dilate", (gap,)) for gap in gaps]
    before, after = known[0], len(places) - 1 - known[-1]
    if before or after:
        steps.append(("pad", (before, after)))
    return tuple(steps), [places[number] for number in known]


def _cut(places: Sequence[Place | None]) -> list[tuple[int, Place]] | None:
    """Return a line of places as lengths and steps, outermost first: `place = start + sum of digit * step`.

    Every step is along one axis, or along none.
    """
    length = len(places)
    if length == 1:
        return []
    for inner in sorted((n for n in range(2, length + 1) if length % n == 0), reverse=True):
        step = _step(places, inner)
        if step is None or sum(map(bool, step)) > 1:
            continue
        heads: list[Place | None] = []
        for block in range(length // inner):
            heads_here = {
                tuple(a - n * b for a, b in zip(place, step, strict=True))
                for n, place in enumerate(places[block * inner : (block + 1) * inner])
                if place is not None
            }
            if len(heads_here) > 1:
                break
            heads.append(next(iter(heads_here), None))
        else:
            outer = _cut(heads)
            if outer is not None:
                return [*outer, (inner, step)]
    return None


def _step(places: Sequence[Place | None], inner: int) -> Place | None:
    """Return the difference of the first two neighbours within a block of `inner` places."""
    for number in range(len(places) - 1):
        one, other = places[number], places[number + 1]
        if (number + 1) % inner and one is not None and other is not None:
            return tuple(b - a for a, b in zip(one, other, strict=True))
    known = [place for place in places if place is not None]
    # Of a block with one place only, nothing tells how it goes on.
    return tuple(0 for _ in known[0]) if known and inner == len(places) and len(set(known)) == 1 else None


def _forwards(index: Tensor, shape: Shape, atoms: Sequence[Atom]) -> tuple[list[int], list[Atom], list[int]]:
    """Return the place of the first entry, the atoms with positive steps, and which of them ran backwards."""
    target = (index >= 0).nonzero()[0].tolist()
    entry = int(index[tuple(target)])
    start = [(entry // math.prod(shape[axis + 1 :])) % size for axis, size in enumerate(shape)]
    digits = dict.fromkeys(range(len(atoms)), 0)
    for axis, place in enumerate(target):
        left = _within(place, [atom for atom in atoms if atom.target == axis])
        for number in reversed([n for n, atom in enumerate(atoms) if atom.target == axis]):
            left, digits[number] = divmod(left, atoms[number].length)
    forwards, flipped = [], []
    for number, atom in enumerate(atoms):
        if atom.along is None:
            forwards.append(atom)
            continue
        start[atom.along] -= atom.step * digits[number]
        if atom.step < 0:
            start[atom.along] += atom.step * (atom.length - 1)
            flipped.append(number)
        forwards.append(replace(atom, step=abs(atom.step)))
    return start, forwards, flipped


def _within(place: int, atoms: Sequence[Atom]) -> int:
    """Return a place of an axis as one of its atoms', before they are set apart."""
    for name, numbers in (step for atom in atoms for step in reversed(atom.spread)):
        place = place - numbers[0] if name == "pad" else place // numbers[0]
    return place


def _digits(axis: int, atoms: Sequence[Atom], start: int) -> tuple[list[Digit], int] | None:
    """Return the factors of an axis of the source, outermost first, and where on it they start."""
    along = sorted((atom.step, number) for number, atom in enumerate(atoms) if atom.along == axis)
    weight, digits = 1, []
    for step, number in along:
        if step % weight:
            return None
        if gap := step // weight if step != weight else 0:
            place = (start // weight) % gap
            digits.append(Digit(gap, None, place))
            start -= place * weight
            weight = step
        digits.append(Digit(atoms[number].length, number))
        weight *= atoms[number].length
    return list(reversed(digits)), start


def _fitted(name: str, length: int, first: int, wanted: int) -> Iterator[Operation]:
    """Yield what takes an axis to the `wanted` places that begin at `first`: parts, slices, and zeros beside."""
    start, stop = max(first, 0), min(first + wanted, length)
    if (start, stop) != (0, length):
        if first == start and stop - start == wanted and length % wanted == 0 and start % wanted == 0:
            yield Operation("part", name, (start // wanted + 1, length // wanted))
        else:
            yield Operation("slice", name, (start, stop))
    if (before := start - first) | (after := first + wanted - stop):
        yield Operation("pad", name, (before, after))


def _written(
    index: Tensor,
    names: Group,
    atoms: Sequence[Atom],
    digits: Sequence[Sequence[Digit]],
    steps: Sequence[Operation],
    flipped: Sequence[int],
) -> Relayout:
    """Return the relayout as a user writes it."""
    called: dict[int, str] = {}
    source: list[list[str]] = []
    lengths: list[tuple[str, int]] = []
    taken: list[tuple[str, Digit]] = []
    for name, group in zip(names, digits, strict=True):
        single = len(group) < 2
        words = [name if single else f"{name}{number}" for number in range(1, len(group) + 1)]
        source.append(words or [name])
        for place, (word, digit) in enumerate(zip(words, group, strict=True)):
            if place:
                lengths.append((word, digit.length))
            if digit.atom is None:
                taken.append((word, digit))
            else:
                called[digit.atom] = word
    target: list[list[str]] = [[] for _ in range(index.dim())]
    copies = 0
    units = [words[0] for words, group in zip(source, digits, strict=True) if not group]
    for number, atom in enumerate(atoms):
        if number not in called and atom.length == 1 and units:
            # An axis of length 1 is as good as any other.
            called[number] = units.pop(0)
        elif number not in called:
            copies += 1
            called[number] = COPIES if copies == 1 else f"{COPIES}{copies}"
            lengths.append((called[number], atom.length))
        target[atom.target].append(called[number])
    _place_units(units, [word for group in source for word in group], target, taken)
    plain = Rearrangement(Pattern(*(tuple((name,) for name in names),) * 2))
    parts: list[Rearrangement | Operation] = [plain, *steps] if steps else []
    groups = tuple(map(tuple, source))
    if taken:
        apart = tuple((word,) for group in source for word in group)
        used = {word for group in source for word in group}
        parts.append(Rearrangement(Pattern(groups, apart), tuple(one for one in lengths if one[0] in used)))
        parts += [Operation("part", word, (digit.place + 1, digit.length)) for word, digit in taken]
        lengths = [one for one in lengths if one[0] not in used]
        groups = apart
    last = Pattern(groups, tuple(map(tuple, target)))
    if not (steps and last.source == last.target) or not parts:
        parts.append(Rearrangement(last, tuple(lengths)))
    parts += [Operation("flip", called[number]) for number in flipped]
    parts += [Operation(name, called[n], numbers) for n, atom in enumerate(atoms) for name, numbers in atom.spread]
    return Relayout(tuple(parts))


def _place_units(
    units: Sequence[str], order: Sequence[str], target: list[list[str]], taken: Sequence[tuple[str, Digit]]
) -> None:
    """Put axes of length 1 into groups of the target: empty ones first, else behind what stands before them."""
    for word in (*(word for word, _ in taken), *units):
        home = next((group for group in target if not group), None) if word in units else None
        if home is not None:
            home.append(word)
            continue
        there = [other for other in order if any(other in group for group in target)]
        before = [other for other in there if order.index(other) < order.index(word)]
        after = [other for other in there if order.index(other) > order.index(word)]
        _insert(word, before, after, target)


def _insert(word: str, before: Sequence[str], after: Sequence[str], target: list[list[str]]) -> None:
    """Put an axis before the next one of the source, or else behind the one before it."""
    if after:
        group = next(group for group in target if after[0] in group)
        group.insert(group.index(after[0]), word)
    elif before:
        group = next(group for group in target if before[-1] in group)
        group.insert(group.index(before[-1]) + 1, word)
    elif target:
        target[0].append(word)
