"""Syntax trees as one would write them: layers without arguments that are torch's defaults, results returned at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from convcheck.errors import LayerError
from convcheck.layers import Layer, kind_names, parse_layer
from convcheck.rewriting.specialise.syntax import used
from convcheck.rewriting.specialise.unparse import Comments

POSITIONAL = 2
"""Arguments of a layer that stand without their names: how many features go in, and come out."""


class Tidy(ast.NodeTransformer):
    """Leaves out what says nothing. Comments keep the lines that they stand above."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(ast.Name("nn"), kind) if kind in kind_names():
                return shorter(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        if node.args.vararg and node.args.vararg.arg not in used(ast.Module(node.body, [])):
            node.args.vararg = None
        ends = (number for number, statement in enumerate(node.body, start=1) if isinstance(statement, ast.Return))
        del node.body[next(ends, len(node.body)) :]
        match node.body:
            case [*others, ast.Assign([ast.Name(name)], value) as last, ast.Return(ast.Name(returned)) as end] if (
                name == returned and end.lineno not in self.comments
            ):
                node.body = [*others, ast.copy_location(ast.Return(value), last)]
        return node


def shorter(call: ast.Call) -> ast.Call:
    """Return the shortest call that describes the same layer."""
    layer = _layer(call)
    while layer is not None:
        same = (shorter for shorter in _shorter(call) if _layer(shorter) == layer)
        if (found := next(same, None)) is None:
            break
        call = found
    return call


def _layer(call: ast.Call) -> Layer | None:
    try:
        return parse_layer(ast.unparse(call))
    except LayerError:
        return None


def _shorter(call: ast.Call) -> Iterator[ast.Call]:
    """Yield calls with one argument less, with one number for equal ones, and with a name less."""
    arguments, words = call.args, call.keywords
    if words and len(arguments) < POSITIONAL:
        yield _like(call, [*arguments, words[0].value], words[1:])
    for number in range(len(words)):
        yield _like(call, arguments, [*words[:number], *words[number + 1 :]])
    if not words:
        yield _like(call, arguments[:-1], [])
    for number, value in enumerate(arguments):
        for one in _one(value):
            yield _like(call, [*arguments[:number], one, *arguments[number + 1 :]], words)
    for number, word in enumerate(words):
        for one in _one(word.value):
            yield _like(call, arguments, [*words[:number], ast.keyword(word.arg, one), *words[number + 1 :]])


def _one(value: ast.expr) -> Iterator[ast.expr]:
    """Yield the one entry of a tuple whose entries are all alike."""
    if isinstance(value, ast.Tuple) and len({ast.unparse(entry) for entry in value.elts}) == 1:
        yield value.elts[0]


def _like(call: ast.Call, arguments: list[ast.expr], words: list[ast.keyword]) -> ast.Call:
    return ast.copy_location(ast.Call(call.func, arguments, words), call)
