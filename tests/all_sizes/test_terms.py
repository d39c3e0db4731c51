"""What equations leave out of an enumeration comes back as it is."""

from __future__ import annotations

import islpy as isl
import pytest

from convcheck.all_sizes.terms import Terms

INDICES = range(-1, 7)
RELATIONS = {
    "a copy": ("{ [a, b] -> [b, a] : 0 <= a, b <= 5 }", 0),
    "a sum over what nothing gives": ("{ [a, b] -> [c, a, d, b] : 0 <= a, b, c, d <= 5 }", 2),
    "equations of equations": ("{ [a, b] -> [c, a + c, 2c - b, 1 + a + 3c] : 0 <= a, b <= 5 and 1 <= c <= 3 }", 1),
    "twice an atom": ("{ [a, b] -> [c, d] : 0 <= a, b <= 5 and 2d = a + c and 0 <= c <= 6 }", 2),
    "a quotient": ("{ [a, b] -> [c, d] : 0 <= a, b <= 5 and c = floor(a/2) and d = a mod 2 }", 1),
    "a number": ("{ [a, b] -> [3, a - 3, b] : 3 <= a <= 5 and 0 <= b <= 5 }", 0),
    "two parts": ("{ [a, b] -> [c, b] : 0 <= b <= 5 and (c = a and 0 <= a <= 2 or c = a + 1 and 3 <= a <= 5) }", 1),
    "no factor": ("{ [a, b] -> [] : 0 <= a <= b <= 5 }", 0),
    "nothing": ("{ [a, b] -> [c] : 1 = 0 }", 1),
}
"""Relations of a pair of atoms, and how many of the factors' atoms no equation gives."""


def enumerated(relation: isl.Map, atoms: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all terms at one index, each atom read from isl's points."""
    points: list[isl.Point] = []
    relation.intersect_domain(isl.Set(f"{{ [{', '.join(map(str, atoms))}] }}")).range().foreach_point(points.append)
    numbers = range(relation.dim(isl.dim_type.out))
    return sorted(tuple(one.get_coordinate_val(isl.dim_type.set, n).get_num_si() for n in numbers) for one in points)


def computed(terms: Terms, atoms: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all terms at one index, what equations give computed from the rest."""
    points: list[isl.Point] = []
    here = isl.Set(f"{{ [{', '.join(map(str, atoms))}] }}")
    terms.relation.intersect_domain(here).range().foreach_point(points.append)
    columns = [
        [column] * len(points) if isinstance(column, int) else list(column) for column in terms.columns(points, atoms)
    ]
    return sorted(tuple(column[number] for column in columns) for number, _ in enumerate(points))


@pytest.mark.parametrize(("text", "free"), RELATIONS.values(), ids=RELATIONS)
def test_all_terms_are_there(text: str, free: int) -> None:
    relation = isl.Map(text)
    terms = Terms.of(relation)
    assert terms.relation.dim(isl.dim_type.out) == free
    for atoms in ((a, b) for a in INDICES for b in INDICES):
        assert computed(terms, atoms) == enumerated(relation, atoms)
        inside = all(low <= one <= high for low, one, high in zip(terms.lows, atoms, terms.highs, strict=True))
        assert inside or not enumerated(relation, atoms)
