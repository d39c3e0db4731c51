"""The operators that can be read: a family a file, with a mapping OPERATORS from torch's names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from torch import fx

from convcheck.tracing.reading import Operator


@cache
def operators() -> Mapping[str, Operator]:
    """Return all operators by torch's names, such as `conv2d`."""
    found: dict[str, Operator] = {}
    for info in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{info.name}").OPERATORS
    return found


def name_of(node: fx.Node) -> str:
    """Return torch's name of the operator at a node, without that of its overload: `conv2d`."""
    schema = getattr(node.target, "_schema", None)
    name = schema.name if schema is not None else getattr(node.target, "__name__", str(node.target))
    return str(name).rpartition("::")[2]
