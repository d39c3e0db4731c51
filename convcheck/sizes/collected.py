"""Sums of formulas with common factors taken out: `64*b*(h*w + 9*h)` in place of `64*b*h*w + 576*b*h`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from convcheck.sizes.lengths import Factor, Length, Term, as_formula, in_order

_MOST = 64
"""Products that a sum may be multiplied out to; more are no shorter than what they came from."""

Terms = Mapping[Term, int]


def collected(values: Iterable[int]) -> int:
    """Return the sum of numbers or formulas, in the shortest of the ways to write it that are tried."""
    whole, terms = 0, Counter[Term]()
    for value in values:
        formula = as_formula(value)
        if formula is None:
            whole += value
        else:
            terms.update(formula.terms)
    if not terms:
        return whole
    terms[()] += whole
    plain = Length(terms)
    ways: list[Length] = [plain, _taken_out(plain.terms)]
    if (expanded := _expanded(plain.terms)) is not None:
        ways += [Length(expanded), _taken_out(expanded)]
    # What is a number, to those who only add it up: formulas go through the code that numbers go through.
    return min(reversed(ways), key=lambda way: len(str(way)))  # type: ignore[return-value]


def _expanded(terms: Terms) -> Terms | None:
    """Return a sum of products in which no factor is a sum; None where they are too many."""
    products: Counter[Term] = Counter()
    for term, count in terms.items():
        part: dict[Term, int] = {(): count}
        for atom in term:
            inner = atom.inside.terms if isinstance(atom, Factor) else {(atom,): 1}
            more: Counter[Term] = Counter()
            for left, times in part.items():
                for right, others in inner.items():
                    more[in_order((*left, *right))] += times * others
            part = more
            if len(part) > _MOST:
                return None
        products.update(part)
        if len(products) > _MOST:
            return None
    return {term: count for term, count in products.items() if count}


def _taken_out(terms: Terms) -> Length:
    """Return a sum as a product of what all of its terms have in common and the rest."""
    if len(terms) < 2:
        return Length(terms)
    first, *others = map(Counter, terms)
    for other in others:
        first &= other
    number = math.gcd(*terms.values())
    inside = Length({in_order((Counter(term) - first).elements()): count // number for term, count in terms.items()})
    return Length({in_order((*first.elements(), Factor(inside))): number})
