"""One family of operators a file: how far their results are from float64's, of values with errors.

A rule is a function `rule(call, *arguments, **keywords) -> Computed | tuple[Computed, ...]`; the operator's tensors of
floats come as `Computed`, and so do booleans that depend on them (error 1 where they may be either). `RULES` of a file
names the operators of its rules, as `aten` does, whatever their overload.

All bounds are of the running error analysis in `convcheck.rounding.running_error`. v is a value and e its error; u_acc,
u_out and s are the unit roundoff of the accumulator, that of the dtype, and its smallest number. A kernel that fuses
several operators rounds less often than they do, and in the accumulator, so that the bound of the parts covers it;
where it rounds something larger than the parts do, the rule says so.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from convcheck.tracing.errors.call import Rule


@cache
def rules() -> Mapping[str, Rule]:
    """Return the rules of all families by the names of their operators, such as `add`."""
    result: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(__path__):
        family: dict[str, Rule] = getattr(import_module(f"{__name__}.{info.name}"), "RULES", {})
        assert not result.keys() & family.keys(), info.name
        result |= family
    return result
