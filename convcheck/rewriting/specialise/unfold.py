"""A call of a small function of ours, as the statements that it would run.

That is what partial evaluation calls unfolding: only where all arguments but the first are known, and the function
changes nothing but its first argument, step by step.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping
from typing import Any

Evaluate = Callable[[list[ast.stmt], Mapping[str, object]], list[ast.stmt]]


def unfolded(function: ast.FunctionDef, target: str, known: Mapping[str, object], evaluate: Evaluate) -> Any:
    """Return the statements that assign `function(target, **known)` to `target`; None if more than these are needed.

    `known` are its arguments but the first; `evaluate` writes known values out.
    """
    first = function.args.args[0].arg
    body = copy.deepcopy([node for node in function.body if not is_text(node)])
    for node in ast.walk(ast.Module(body, [])):
        # These are lines of another file.
        for place in ("lineno", "end_lineno"):
            if hasattr(node, place):
                setattr(node, place, 0)
        if isinstance(node, ast.Name) and node.id == first:
            node.id = target
    statements: list[ast.stmt] = []
    for statement in evaluate(body, known):
        match statement:
            case ast.Return(ast.Name(name)) if name == target:
                return statements
            case ast.Return(ast.expr() as value):
                return [*statements, ast.Assign([ast.Name(target, ast.Store())], value, lineno=0)]
            case ast.Assign([ast.Name(name)]) if name == target:
                statements.append(statement)
            case _:
                return None
    return None


def beginning_with(value: ast.expr, target: str, statements: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements that change `target` as those that start from a value, which stands in the first of them."""
    if isinstance(value, ast.Name) and value.id == target:
        return statements
    uses = [node for statement in statements[:1] for node in ast.walk(statement) if _reads(node, target)]
    if not uses or (len(uses) > 1 and not isinstance(value, ast.Name)):
        return [ast.Assign([ast.Name(target, ast.Store())], value, lineno=0), *statements]

    class Substitute(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return value if _reads(node, target) else node

    return [Substitute().visit(statements[0]), *statements[1:]]


def _reads(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def is_text(node: ast.stmt) -> bool:
    """Tell whether a statement is a text alone, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def arguments_of(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """Return the arguments of a call but the first, by name, defaults included; None if some are not written out."""
    names = [argument.arg for argument in function.args.args]
    if any(isinstance(value, ast.Starred) for value in call.args) or any(word.arg is None for word in call.keywords):
        return None
    defaults = function.args.defaults
    given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    given.update(zip(names, call.args, strict=False))
    given.update({str(word.arg): word.value for word in call.keywords})
    return {name: given[name] for name in names[1:] if name in given}
