"""Lengths that are formulas: `(H - 1)//2` in place of a number, through the very code that computes with numbers.

A formula is a sum of products of names and floors, kept in lowest terms:

    floor((n*q + r) / n) = q + floor(r / n)                        what is divisible leaves the floor
    floor((g*x + r) / (g*n)) = floor((x + floor(r / g)) / n)
    floor((floor(x / m) + r) / n) = floor((x + m*r) / (m*n))       so a chain of layers is one floor

for whole n, m, g above 0 and whole q, r, x (R. L. Graham, D. E. Knuth and O. Patashnik, Concrete Mathematics, 2nd
edition, 1994, section 3.2). Names stand for whole numbers of at least 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.sizes.conditions import Condition, assume, assume_at_least
from convcheck.sizes.terms import parenthesize


@dataclass(frozen=True)
class Floor:
    """`inside // by`."""

    inside: Length
    by: int

    def __str__(self) -> str:
        return f"{parenthesize(self.inside)}//{self.by}"


@dataclass(frozen=True)
class Factor:
    """A sum that is a factor of a product, and stays one."""

    inside: Length

    def __str__(self) -> str:
        return f"({self.inside})"


Atom = str | Floor | Factor
Term = tuple[Atom, ...]


def as_formula(value: object) -> Length | None:
    """Return a length if it is a formula, else None."""
    return value if isinstance(value, Length) else None


def name(text: str) -> Length:
    """Return the length that a name stands for."""
    return Length({(text,): 1})


class UndecidedError(ShapeError):
    """Which of two formulas is larger depends on what names stand for."""


class Length:
    """A whole number as a formula; `terms` gives the coefficient of every product, the empty one being 1.

    A Length is duck-typed as int: it goes through code whose types say `int`. Where such code compares, the answer may
    depend on the names. It is then the one that lets layers run: lengths are equal, divisible, and long enough, and
    that they are is assumed, as a condition that `collecting` collects.
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Term, int]) -> None:
        self.terms = _reduced(terms)

    @property
    def constant(self) -> int:
        """What is added to the products."""
        return self.terms.get((), 0)

    def is_name(self) -> bool:
        """Tell whether it is one name, without a factor."""
        match [*self.terms.items()]:
            case [((str(),), 1)]:
                return True
        return False

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Return the number where every name has a value."""

        def worth(atom: Atom) -> int:
            if isinstance(atom, str):
                return values[atom]
            inside = atom.inside.evaluate(values)
            return inside // atom.by if isinstance(atom, Floor) else inside

        return sum(count * math.prod(map(worth, term)) for term, count in self.terms.items())

    def names(self) -> set[str]:
        """Return the names in it."""
        atoms = {atom for term in self.terms for atom in term}
        return set().union(*({atom} if isinstance(atom, str) else atom.inside.names() for atom in atoms))

    def rises(self) -> bool | None:
        """Tell whether it grows (or, if not, falls) with every name in it; None if neither is sure."""
        signs = {count > 0 for term, count in self.terms.items() if term}
        return signs.pop() if len(signs) == 1 else None

    def __add__(self, other: int | Length) -> Length:
        terms = dict(self.terms)
        for term, count in ({(): other} if isinstance(other, int) else other.terms).items():
            terms[term] = terms.get(term, 0) + count
        return Length(terms)

    def __neg__(self) -> Length:
        return self * -1

    def __sub__(self, other: int | Length) -> Length:
        return self + -other

    def __rsub__(self, other: int) -> Length:
        return -self + other

    def __mul__(self, other: int | Length) -> Length:
        if isinstance(other, int):
            return Length({term: count * other for term, count in self.terms.items()})
        for number, formula in ((self, other), (other, self)):
            if not any(number.terms):
                return formula * number.constant
        (atoms, count), (others, times) = _product(self), _product(other)
        return Length({in_order((*atoms, *others)): count * times})

    def __floordiv__(self, by: int) -> Length:
        if not isinstance(by, int):
            raise ShapeError(f"{self} cannot be divided by {by} as a formula; give it a number")
        # What is divisible leaves the floor, and the rest is in lowest terms.
        whole = Length({term: count // by for term, count in self.terms.items() if term and not count % by})
        rest = {term: count for term, count in self.terms.items() if term and count % by}
        if not rest:
            return whole + self.constant // by
        common = math.gcd(by, *rest.values())
        inside = {**{term: count // common for term, count in rest.items()}, (): self.constant // common}
        return whole + _floor(Length(inside), by // common)

    def __mod__(self, by: int) -> Length:
        rest = self - self // by * by
        # Whole multiples do not matter to what is left.
        least = Length({term: count % by for term, count in self.terms.items()})
        return Remainder(rest.terms, least, by) if any(rest.terms) else rest

    def __bool__(self) -> bool:
        """Tell whether it is not zero."""
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, Length)) and self.terms == _of(other).terms

    def __ne__(self, other: object) -> bool:
        """Tell whether they differ; where that is open, they are taken to be equal."""
        if not isinstance(other, (int, Length)):
            return True
        gap = self - other
        if any(gap.terms):
            assume(Condition(self, "=", other if isinstance(other, int) or any(other.terms) else other.constant))
            return False
        return bool(gap)

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __lt__(self, other: int | Length) -> bool:
        """Compare as for names that are large enough."""
        gap = _of(other) - self
        if not any(gap.terms):
            return gap.constant > 0
        less = gap.rises()
        if less is None:
            raise UndecidedError(f"it depends on whether {self} < {other}; give one of them a number")
        assume_at_least(gap if less else -gap, 1 if less else 0)
        return less

    def __gt__(self, other: int | Length) -> bool:
        return -self < -_of(other)

    def __le__(self, other: int | Length) -> bool:
        return not self > other

    def __ge__(self, other: int | Length) -> bool:
        return not self < other

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        text = ""
        terms = sorted(
            _absorbed(self.terms).items(), key=lambda item: (-len(item[0]), [_order(atom) for atom in item[0]])
        )
        for term, count in terms:
            # Beside others, or behind a sign, a floor such as `H//2` stands in brackets, since they would go into it.
            alone = len(term) == 1 and count == 1
            atoms = [f"({atom})" if isinstance(atom, Floor) and not alone else str(atom) for atom in term]
            powers = [atom if times == 1 else f"{atom}**{times}" for atom, times in Counter(atoms).items()]
            number = [str(abs(count))] if abs(count) != 1 or not term else []
            sign = ("-" if count < 0 else "") if not text else " - " if count < 0 else " + "
            text += sign + "*".join(number + powers)
        return text or "0"

    def __format__(self, _format: str) -> str:
        return str(self)

    __repr__ = __str__


class Remainder(Length):
    """What is left of a division; where a layer asks whether there is a rest, there is taken to be none."""

    __slots__ = ("by", "of")

    def __init__(self, terms: Mapping[Term, int], of: Length, by: int) -> None:
        super().__init__(terms)
        self.of, self.by = of, by

    def __bool__(self) -> bool:
        assume(Condition(self.of, "is a multiple of", self.by))
        return False

    def __str__(self) -> str:
        common = math.gcd(self.by, *self.of.terms.values())
        of = Length({term: count // common for term, count in self.of.terms.items()})
        text = f"{parenthesize(of)} % {self.by // common}"
        return text if common == 1 else f"{common}*({text})"

    __repr__ = __str__


def _of(value: int | Length) -> Length:
    return value if isinstance(value, Length) else Length({(): value})


def _floor(inside: Length, by: int) -> Length:
    """Return `inside // by`, of what has no divisible part."""
    match [*_absorbed(inside.terms).items()]:
        case [((Floor() as floor,), 1)]:
            return floor.inside // (floor.by * by)
    return Length({(Floor(inside, by),): 1})


def _reduced(terms: Mapping[Term, int]) -> dict[Term, int]:
    """Return the terms with each floor's constant between 0 and its divisor, and none that is 0."""
    if all(count and (len(term) != 1 or isinstance(term[0], str)) for term, count in terms.items()):
        return dict(terms)
    reduced: dict[Term, int] = {}

    def add(term: Term, count: int) -> None:
        reduced[term] = reduced.get(term, 0) + count

    for term, count in terms.items():
        atom = term[0] if len(term) == 1 else ""
        if isinstance(atom, Floor) and (whole := atom.inside.constant // atom.by):
            add((Floor(atom.inside - whole * atom.by, atom.by),), count)
            add((), count * whole)
        elif isinstance(atom, Factor):
            for inner, times in atom.inside.terms.items():
                add(inner, count * times)
        else:
            add(term, count)
    return {term: count for term, count in reduced.items() if count}


def _absorbed(terms: Mapping[Term, int]) -> Mapping[Term, int]:
    """Return the terms with a constant beside a single floor in the floor."""
    match [item for item in terms.items() if item[0]]:
        case [((Floor(inside, by),), 1)]:
            return {(Floor(inside + terms.get((), 0) * by, by),): 1}
    return terms


def _product(value: Length) -> tuple[Term, int]:
    """Return a length as one product and its coefficient; a sum becomes a factor."""
    terms = _absorbed(value.terms)
    if len(terms) == 1:
        [(term, count)] = terms.items()
        return term, count
    common = math.gcd(*terms.values())
    return (Factor(Length({term: count // common for term, count in terms.items()})),), common


def in_order(atoms: Iterable[Atom]) -> Term:
    """Return a product in the one order in which it is known."""
    return tuple(sorted(atoms, key=_order))


def _order(atom: Atom) -> tuple[bool, bool, str]:
    """Sort small letters, such as the batch's, before capitals, and floors last."""
    return not isinstance(atom, str), not str(atom).islower(), str(atom)
