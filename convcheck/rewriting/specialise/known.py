"""What can be known of an expression before it runs."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

_PURE = (
    "abs all any bool dict divmod enumerate filter float getattr hasattr int isinstance len list map max min next pow "
    "range reversed round set slice sorted str sum tuple zip"
)
BUILTINS: Mapping[str, object] = {name: getattr(builtins, name) for name in _PURE.split()}
"""Functions of Python's own that do nothing beside having a value."""

_LOOPS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def free(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names that an expression takes from outside, and "" for what does more than have a value."""
    if isinstance(node, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
        yield ""
    if isinstance(node, ast.Name) and node.id not in bound:
        yield node.id
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, _LOOPS):
        # What the first loop runs over is looked up outside of it.
        first = node.generators[0].iter
        yield from free(first, bound)
        bound |= set(targets(node))
        parts = (
            tuple(ast.iter_child_nodes(each)) if isinstance(each, ast.comprehension) else (each,) for each in children
        )
        children = [part for several in parts for part in several if part is not first]
    elif isinstance(node, ast.Lambda):
        bound |= set(targets(node))
    for child in children:
        yield from free(child, bound)


def targets(node: ast.AST) -> Iterator[str]:
    """Yield the names that a comprehension or a lambda binds, or the targets of an assignment."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.arg):
            yield each.arg


def plain(target: ast.expr) -> bool:
    """Tell whether an assignment to `target` binds names, and changes nothing in place."""
    return all(isinstance(each, (ast.Name, ast.Tuple, ast.Starred, ast.expr_context)) for each in ast.walk(target))


def bindings(function: ast.FunctionDef) -> Counter[str]:
    """Count how often each local name of a function is bound, those of functions and classes in it left alone."""
    counts = Counter(each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg))
    nodes: list[ast.AST] = list(function.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            counts[node.name] += 1
        elif isinstance(node, ast.alias):
            counts[node.asname or node.name.partition(".")[0]] += 1
        elif not isinstance(node, (*_LOOPS, ast.Lambda)):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                counts[node.id] += 1
            nodes.extend(ast.iter_child_nodes(node))
    return counts


def changed(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names of what is changed in place, or may be: `x[i] = 1`, `x.append(1)`."""
    found = set()
    for node in nodes:
        if isinstance(node, (ast.Nonlocal, ast.Global)):
            found.update(node.names)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            held: ast.AST = node.value.func
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            held = node
        else:
            continue
        while isinstance(held, (ast.Attribute, ast.Subscript)):
            held = held.value
        if isinstance(held, ast.Name):
            found.add(held.id)
    return found


def evaluate(node: ast.expr, names: Mapping[str, object]) -> object:
    """Return the value of an expression, given that of each name in it."""
    return eval(compile(ast.Expression(node), "<builder>", "eval"), {**names, "__builtins__": {}})


def assign(target: ast.expr, value: ast.expr, names: Mapping[str, object]) -> dict[str, object]:
    """Return what an assignment binds, given the value of each name on its right."""
    line = ast.Assign([target], value, lineno=target.lineno, col_offset=0)
    after: dict[str, object] = {**names, "__builtins__": {}}
    exec(compile(ast.Module([line], []), "<builder>", "exec"), after)
    return {name: after[name] for name in targets(target)}
