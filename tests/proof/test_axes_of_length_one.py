"""Axes of length 1 fit anywhere in an arrangement; they stand behind the axis that is before them in the weight."""

from __future__ import annotations

import pytest

from convcheck.rewriting.arrangements import _with_units
from convcheck.sizes.patterns import Group

WEIGHT: tuple[Group, ...] = (("o",), ("i",), ("kh",), ("kw",))
PLACES: dict[str, tuple[dict[str, int], list[Group], tuple[Group, ...]]] = {
    "behind the last of a group": ({"kw": 1}, [("o",), ("i", "kh")], (("o",), ("i", "kh", "kw"))),
    "within a group": ({"kh": 1}, [("o",), ("kw", "i")], (("o",), ("kw", "i", "kh"))),
    "one behind the other": ({"kh": 1, "kw": 1}, [("o",), ("i",)], (("o",), ("i", "kh", "kw"))),
    "where there is no other": ({"o": 1}, [(), ("i", "kh", "kw")], (("o",), ("i", "kh", "kw"))),
    "the first, where there is no place": ({"o": 1}, [("i", "kh", "kw")], (("o", "i", "kh", "kw"),)),
}


@pytest.mark.parametrize(("units", "groups", "whole"), PLACES.values(), ids=PLACES.keys())
def test_an_axis_of_length_one_stands_behind_its_neighbour(
    units: dict[str, int], groups: list[Group], whole: tuple[Group, ...]
) -> None:
    sizes = {axis: 3 for group in WEIGHT for axis in group} | units
    assert _with_units(groups, WEIGHT, sizes) == whole
