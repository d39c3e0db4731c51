"""What operators are that are no polynomials, or have constants in them: a family a file, with a mapping RULES.

A rule takes a field and the operator's arguments by name, and returns the result, or NotImplemented where the operator
is the polynomial that torch computes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from convcheck.proof.parts.fields import Field
from convcheck.tracing.operators.contraction import OPERATORS as CONTRACTION
from convcheck.tracing.operators.indexing import OPERATORS as INDEXING
from convcheck.tracing.operators.movement import OPERATORS as MOVEMENT
from convcheck.tracing.reading import Operator, moved

Given = Mapping[str, Any]
Rule = Callable[[Field, Given], Any]

_VIEWS = (
    "mT numpy_T chunk tensor_split flatten unflatten narrow expand_as view_as reshape_as broadcast_to "
    "movedim swapaxes contiguous ravel"
)
VIEWS: Mapping[str, Operator] = dict.fromkeys(_VIEWS.split(), Operator(moved))
"""What is written by other moves where a graph is exported."""

_SUMS = ("add", "sub", "rsub", "neg", "sum", "cumsum", "sum_to_size")
COPYING = frozenset({*MOVEMENT, *VIEWS, *INDEXING, *_SUMS})
"""Polynomials that multiply nothing, so that what is infinite stays so."""

PLAIN = COPYING | {*CONTRACTION, "mul", "square", "addcmul", "outer", "lerp", "trace", "col2im"}
"""Polynomials with no constants but those among their arguments."""


@cache
def rules() -> Mapping[str, Rule]:
    """Return all rules by torch's names of operators."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{info.name}").RULES
    return found
