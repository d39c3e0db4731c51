"""All rewrites there are, found by looking into the folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from convcheck import rewrites
from convcheck.config.case import Vocabulary
from convcheck.errors import UsageError, did_you_mean, shown
from convcheck.layers import Layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shapes


@cache
def catalogue() -> dict[str, Rewrite]:
    """Return every rewrite by its name: that of its file, with dashes."""
    by_name = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(rewrites.__path__)):
        rewrite = importlib.import_module(f"{rewrites.__name__}.{module}").REWRITE
        by_name[module.replace("_", "-")] = rewrite
    return by_name


def vocabulary() -> Vocabulary:
    """Return the names that a config may use."""
    orders = {name: rewrite.order for name, rewrite in catalogue().items() if rewrite.order is not None}
    return Vocabulary(tuple(catalogue()), orders)


def find(name: str) -> Rewrite:
    """Return the rewrite of this name.

    Raises:
        UsageError: there is none; with the nearest name.
    """
    if name not in catalogue():
        raise UsageError(f"unknown rewrite {shown(name)}; {did_you_mean(name, catalogue())}")
    return catalogue()[name]


def applicable(layer: Layer, shapes: Shapes) -> tuple[str, ...]:
    """Return the names of all rewrites that hold for `layer` on inputs of `shapes`."""
    made_for = [(name, rewrite) for name, rewrite in catalogue().items() if isinstance(layer, rewrite.families)]
    return tuple(name for name, rewrite in made_for if not rewrite.refuse(layer, shapes))
