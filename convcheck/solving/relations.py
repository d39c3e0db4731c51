"""Which products of the reference's entries an entry of the candidate stands for, from both sides' relations.

Both outputs, and what both sides hand to operators that are opaque, are sums of products. Where an entry of the
candidate is multiplied by some numbers in some place, what the reference multiplies by them there stands for it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import islpy as isl

from convcheck.all_sizes.compare import added, monomials
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.pieces import Piece
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.value import Value
from convcheck.solving.graphs import INPUT, OURS, THEIRS, Opaque, Read

MOST_TRIES = 500
"""How often operators of both sides are paired."""

Names = tuple[str, ...]
"""Of factors."""

ENTRYWISE = frozenset(
    ("abs", "clamp", "cos", "elu", "erf", "exp", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log")
    + ("mish", "pow", "reciprocal", "relu", "rsqrt", "sigmoid", "silu", "sin", "softplus", "sqrt", "tanh")
)
"""Operators that make an entry of an entry, so that the order of axes does not matter to them."""


@dataclass(frozen=True)
class Term:
    """`coefficient` times the product of entries of `factors`, tensors of the reference or what it makes of them alone.

    `relation` goes from the entries of a tensor of the candidate, without axes of length 1, to those of all factors.
    """

    coefficient: Any
    factors: Names
    relation: Any


def _cancel(one: Term, other: Term) -> bool:
    """Tell whether two terms add up to nothing."""
    opposite = one.coefficient == -other.coefficient and one.factors == other.factors
    return opposite and bool(one.relation.is_equal(other.relation))


@dataclass
class Found:
    """The terms of every tensor of the candidate, and what stands in the way of having them all."""

    terms: dict[str, dict[tuple[Any, Names], Any]] = field(default_factory=lambda: defaultdict(dict))
    met: dict[str, Any] = field(default_factory=dict)
    """The entries of the candidate's tensors that anything depends on."""
    missing: list[str] = field(default_factory=list)
    """What the reference has and the candidate has not."""
    shared: set[str] = field(default_factory=set)
    """Tensors of the candidate whose entries are added to others'."""

    def add(self, other: Found) -> None:
        """Take over what something else has told."""
        for name, terms in other.terms.items():
            for key, relation in terms.items():
                _unite(self.terms[name], key, relation)
        for name, place in other.met.items():
            _unite(self.met, name, place)
        self.missing += other.missing
        self.shared |= other.shared

    def of(self, name: str) -> list[Term]:
        """Return the terms of a tensor of the candidate."""
        terms = [Term(coefficient, names, relation) for (coefficient, names), relation in self.terms[name].items()]
        return [one for one in terms if not any(_cancel(one, other) for other in terms)]


@dataclass
class Matching:
    """Matches what both sides compute, from the inputs on."""

    read: Read
    nearest: Found | None = None
    """What was told by the matching that came nearest."""
    told: list[Found] = field(default_factory=list)
    why: str = ""
    tries: int = 0
    same: dict[str, str] = field(default_factory=dict)
    """For what is opaque in the candidate, what it is in the reference."""
    turned: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """For what is opaque in the candidate with other axes than in the reference, its axes in that order."""

    def match(self) -> Found:
        """Return the terms of the candidate's tensors. Raises CannotProve where the sides do not compute alike."""
        theirs = [one for one in self.read.opaque.values() if self._is_theirs(one)]
        ours = [one for one in self.read.opaque.values() if not self._is_theirs(one) and not self._is_derived(one.name)]
        if not self._assign(theirs, ours) and self.nearest is None:
            raise CannotProve(self.why)
        return self.nearest or Found()

    def _assign(self, theirs: Sequence[Opaque], ours: Sequence[Opaque]) -> bool:
        """Match what is opaque in the candidate, in order, then the outputs; leave what was told in `nearest`."""
        if not theirs:
            return self._end()
        one, *others = theirs
        for partner, order, trial in self._partners(one, ours):
            self.same[one.name] = partner.name
            if order is not None:
                self.turned[one.name] = order
            self.told.append(trial)
            # What has weights of the reference in it is that of one in the candidate only.
            once = any(self._depends(value, OURS) for value in partner.arguments)
            if self._assign(others, [other for other in ours if other is not partner] if once else ours):
                return True
            self.told.pop()
            self.turned.pop(one.name, None)
            del self.same[one.name]
        return False

    def _end(self) -> bool:
        """Match the outputs; return whether nothing is missing."""
        trial = Found()
        self._take(self.read.outputs.reference, self.read.outputs.candidate, trial)
        whole = Found()
        for one in (*self.told, trial):
            whole.add(one)
        if self.nearest is None or not whole.missing:
            self.nearest = whole
        return not whole.missing

    def _partners(self, one: Opaque, ours: Sequence[Opaque]) -> Iterator[tuple[Opaque, tuple[int, ...] | None, Found]]:
        """Yield what may be the same in the reference, in which order of axes, and what that tells."""
        self.why = f"nothing in the reference is {one.name.partition('#')[0]} of the same"
        for other in ours:
            if other.operator != one.operator or len(other.arguments) != len(one.arguments):
                continue
            for order in _orders(one):
                self.tries += 1
                trial = Found()
                try:
                    for first, second in zip(other.arguments, one.arguments, strict=True):
                        self._take(first, second if order is None else second.permuted(order), trial)
                except CannotProve:
                    continue
                if self.tries > MOST_TRIES:
                    raise CannotProve("operators can be paired in too many ways")
                if not trial.missing:
                    yield other, order, trial

    def _is_theirs(self, one: Opaque) -> bool:
        return any(self._depends(value, THEIRS) for value in one.arguments)

    def _depends(self, value: Value, begin: str) -> bool:
        names = {entry.source.name for piece in value.pieces for entry in piece.factors}
        return any(
            name.startswith(begin)
            or (name in self.read.opaque and any(self._depends(v, begin) for v in self.read.opaque[name].arguments))
            for name in names
        )

    def derived(self) -> list[Opaque]:
        """Return what is made of tensors of the reference alone."""
        return [one for one in self.read.opaque.values() if self._is_derived(one.name)]

    def _is_derived(self, name: str) -> bool:
        """Tell whether something is made of tensors of the reference alone."""
        if name not in self.read.opaque:
            return name.startswith(OURS)
        arguments = self.read.opaque[name].arguments
        return any(self._depends(one, OURS) for one in arguments) and not any(
            self._depends(one, INPUT) or self._depends(one, THEIRS) for one in arguments
        )

    def _take(self, ours: Value, theirs: Value, found: Found) -> None:
        """Add what two values that are the same tell. Raises CannotProve where they cannot be."""
        if ours.rank != theirs.rank or any(a != b for a, b in zip(ours.shape, theirs.shape, strict=True)):
            raise CannotProve("shapes differ")
        ours, theirs = aligned(ours, theirs)
        groups: dict[Any, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
        for key, piece in self._grouped(ours, theirs=False):
            groups[key][0].append(piece)
        for key, piece in self._grouped(theirs, theirs=True):
            groups[key][1].append(piece)
        for (_, known), (one, other) in groups.items():
            count = len(known)
            self._join(known, _summed(one, count, ours.sizes), _summed(other, count, ours.sizes), found)

    def _grouped(self, value: Value, *, theirs: bool) -> Iterator[tuple[Any, Piece]]:
        """Yield pieces by segments and the factors that are no entries of either side, which stand first."""
        renamed = self.same if theirs else {}
        for piece in (piece for pieces in monomials(value).values() for piece in pieces):
            names = [renamed.get(entry.source.name, entry.source.name) for entry in piece.factors]
            weights = [n for n, name in enumerate(names) if name.startswith(THEIRS) or self._is_derived(name)]
            others = sorted(
                (n for n in range(len(names)) if n not in weights), key=lambda n: (names[n], piece.factors[n].segments)
            )
            order = [*others, *weights]
            known = tuple((names[n], piece.factors[n].segments) for n in others)
            yield (piece.segments, known), _reordered(piece, order, self.turned if theirs else {})

    def _join(self, known: Any, ours: Sequence[Piece], theirs: Sequence[Piece], found: Found) -> None:
        count = len(known)
        read = None
        for piece in theirs:
            weights = piece.factors[count:]
            if len(weights) > 1:
                raise CannotProve("the candidate multiplies entries of its own")
            by_place = _by_place(piece, count)
            if not weights:
                continue
            name = weights[0].source.name.removeprefix(THEIRS)
            if read is not None and not read.intersect(by_place.domain()).is_empty():
                found.shared.add(name)
            if not by_place.is_single_valued():
                found.shared.add(name)
            read = by_place.domain() if read is None else read.union(by_place.domain())
            _unite(found.met, name, by_place.range())
            back = by_place.reverse()
            constants = [other for other in theirs if len(other.factors) == count]
            for other, sign in [*((one, 1) for one in ours), *((one, -1) for one in constants)]:
                relation = back.apply_range(_by_place(other, count))
                if relation.is_empty():
                    continue
                names = tuple(entry.source.name for entry in other.factors[count:])
                _unite(found.terms[name], (sign * other.coefficient / piece.coefficient, names), relation)
        for piece in ours:
            here = _by_place(piece, count).domain()
            left = here if read is None else here.subtract(read)
            if not left.is_empty() and not self._constant_alike(piece, theirs, count):
                left_out = ", ".join(entry.source.name.removeprefix(OURS) for entry in piece.factors[count:])
                found.missing.append(left_out or "a constant")

    @staticmethod
    def _constant_alike(piece: Piece, theirs: Sequence[Piece], count: int) -> bool:
        """Tell whether the candidate has what no entry of either side goes into, too."""
        if len(piece.factors) > count:
            return False
        return any(
            len(other.factors) == count
            and other.coefficient == piece.coefficient
            and piece.relation.is_subset(other.relation)
            for other in theirs
        )


def _unite(table: dict[Any, Any], key: Any, one: Any) -> None:
    table[key] = table[key].union(one).coalesce() if key in table else one


def _orders(one: Opaque) -> Iterator[tuple[int, ...] | None]:
    """Yield the orders in which the axes of what is opaque may stand; None for as they are."""
    yield None
    if one.operator.partition(".")[0] in ENTRYWISE and len(one.arguments) == 1:
        yield from itertools.islice(itertools.permutations(range(one.arguments[0].rank)), 1, None)


def _reordered(piece: Piece, order: Sequence[int], turned: Mapping[str, tuple[int, ...]]) -> Piece:
    """Return a piece with its factors in this order, and their axes as `turned` says."""
    numbers = itertools.count()
    old, new = [], []
    for entry in piece.factors:
        segments = [axis[number] for axis, number in zip(entry.source.axes, entry.segments, strict=True)]
        axes = [[f"f{next(numbers)}" for _ in segment] for segment in segments]
        old += [name for group in axes for name in group]
        turn = turned.get(entry.source.name, range(len(axes)))
        new.append([name for axis in turn for name in axes[axis]])
    moved = [name for number in order for name in new[number]]
    relation = piece.relation.apply_range(isl.Map(f"{{ [{', '.join(old)}] -> [{', '.join(moved)}] }}"))
    return Piece(piece.segments, piece.coefficient, tuple(piece.factors[number] for number in order), relation)


def _summed(pieces: Sequence[Piece], count: int, sizes: Sizes) -> list[Piece]:
    """Return pieces that add up to the same; of those with the same factors none overlaps another."""
    groups: dict[Any, list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups[tuple(entry.key for entry in piece.factors[count:])].append(piece)
    return [
        replace(group[0], coefficient=coefficient, relation=relation)
        for group in groups.values()
        for coefficient, relation in added([(one.coefficient, one.relation) for one in group], sizes)
    ]


def _by_place(piece: Piece, count: int) -> Any:
    """Return the relation from a place of the output, with the entries of the first `count` factors, to the others'."""
    atoms = sum(entry.atoms for entry in piece.factors[:count])
    inside = piece.relation.dim(isl.dim_type.in_)
    return piece.relation.move_dims(isl.dim_type.in_, inside, isl.dim_type.out, 0, atoms)
