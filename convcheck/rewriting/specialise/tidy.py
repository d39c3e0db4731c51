"""Syntax trees as one would write them: layers without torch's defaults, results returned at once."""

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
        if node.args.vararg:
            node.body, node.args = _named(node.body, node.args, node.args.vararg)
        node.body = self.ended(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        attributes = [part for part in ast.walk(node) if isinstance(part, ast.Attribute)]
        read = {attribute.attr for attribute in attributes if isinstance(attribute.ctx, ast.Load)}
        for function in node.body:
            if isinstance(function, ast.FunctionDef):
                # What is None and never asked for is of no use.
                function.body = [s for s in function.body if (_absent(s) or "") in {*read, ""}] or function.body
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        node.body = self.ended(node.body)
        return node

    def ended(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return statements up to the first that returns, which does so without giving the result a name."""
        ends = (number for number, statement in enumerate(body, start=1) if isinstance(statement, ast.Return))
        match body[: next(ends, len(body))]:
            case [*others, ast.Assign([ast.Name(name)], value) as last, ast.Return(ast.Name(returned)) as end] if (
                name == returned and end.lineno not in self.comments
            ):
                return [*others, ast.copy_location(ast.Return(value), last)]
            case whole:
                return whole


def _absent(statement: ast.stmt) -> str | None:
    """Return which attribute a statement sets to None, if it does that."""
    match statement:
        case ast.Assign([ast.Attribute(attr=name)], ast.Constant(None)):
            return name
    return None


def _named(body: list[ast.stmt], arguments: ast.arguments, rest: ast.arg) -> tuple[list[ast.stmt], ast.arguments]:
    """Name the rest of the arguments, where all the code does with it is to take it apart; leave it out if unused."""
    if rest.arg not in used(ast.Module(body, [])):
        arguments.vararg = None
    for number, statement in enumerate(body):
        others = [*body[:number], *body[number + 1 :]]
        match statement:
            case ast.Assign([ast.Tuple(names)], ast.Name(name)) if name == rest.arg and all(
                isinstance(target, ast.Name) for target in names
            ):
                if name not in used(ast.Module(others, [])):
                    arguments.args += [ast.arg(ast.unparse(target), rest.annotation) for target in names]
                    arguments.vararg = None
                    return others, arguments
    return body, arguments


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
