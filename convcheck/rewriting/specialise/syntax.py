"""Names in syntax trees, and values as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

Import = tuple[str | None, str]
"""The module that a name comes from, and the name; a module that is imported itself comes from none."""


def bound(tree: ast.AST) -> Iterator[str]:
    """Yield the names that code binds, in whatever scopes, as often as it does."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name) | ast.FunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.alias(name, other):
                yield other or name


def used(tree: ast.AST) -> set[str]:
    """Return the names that code looks up."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def literal(value: object) -> ast.expr | None:
    """Return a value as syntax; None if it is more than numbers, texts and containers of them."""
    try:
        written = ast.parse(repr(value), mode="eval").body
        ast.literal_eval(written)
    except (SyntaxError, ValueError):
        return None
    return written


def index(key: Any) -> ast.expr:
    """Return what stands between brackets for a value that may slice: `..., ::2`."""
    match key:
        case (slice() as only,):
            return index(only)
        case tuple():
            return ast.Tuple([index(part) for part in key], ast.Load())
        case slice(start=start, stop=stop, step=step):
            parts = (start, stop, None if step == 1 else step)
            return ast.Slice(*(None if part is None else ast.Constant(part) for part in parts))
    return ast.Constant(key)
