"""What a table of pairs to solve holds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Truth(StrEnum):
    """Whether a candidate can have the reference's function, by one map of its weights."""

    FOUND = "found"
    NOT_UNIQUE = "not-unique"
    NONE = "none"


class Solvable(NamedTuple):
    """Two modules in the styles of two repositories, and the map from one state to the other as a function of the file.

    Sides are texts as in `size_faults`; inputs are `2,3` or `int 2,5`. `other` is a second map that is correct as well:
    a pair that is `not-unique` has one, and one that is `found` where it comes from what the reference itself leaves
    free (`up_to`), such as the order of hidden units. `polynomial` is about both outputs in inputs and weights. Where
    `exact` is false, whole numbers are rounded on their way.
    """

    name: str
    style: str
    reference: str
    candidate: str
    inputs: tuple[str, ...]
    convert: str | None
    truth: Truth = Truth.FOUND
    other: str | None = None
    up_to: str | None = None
    polynomial: bool = True
    exact: bool = True
    note: str = ""
