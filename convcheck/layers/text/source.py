"""A file of Python that makes layers, read and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from convcheck.errors import LayerError
from convcheck.layers.text.arithmetic import computed

_CHAINS = ("Sequential",)


class NoLayersError(LayerError):
    """A file of Python makes no layers that can be read off its text."""


class SeveralError(LayerError):
    """A file of Python makes several chains or classes, `names`; text is read where it makes one."""

    def __init__(self, names: Sequence[str], last_class: str) -> None:
        super().__init__(f"a file of Python that makes several: {', '.join(names)}; paste the lines of one of them")
        self.names, self.last_class = names, last_class


class Assigned(NamedTuple):
    """What a file makes: a chain, or the layers that a class assigns, in order, with their names."""

    holder: str
    """The class; empty for a chain."""
    layers: tuple[tuple[str, ast.Call], ...]


def is_source(tree: ast.Module) -> bool:
    """Tell whether a text is a file of Python, and no print and no lines of layers."""
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    return any(isinstance(statement, kinds) for statement in tree.body)


def assigned(tree: ast.Module, kinds: Sequence[str]) -> Assigned:
    """Return the one chain of a file, or else the layers of its one class that has any, with numbers put in for names.

    `kinds` are the names of layers, by which a call is known to make one.

    Raises:
        LayerError: there is none, or there are several.
    """
    chains = [(name, call) for name, call in _assignments(tree.body) if _kind(call) in _CHAINS]
    chains += [("", returned) for returned in _returned(tree.body) if _kind(returned) in _CHAINS]
    classes = [
        (node.name, layers)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and (layers := [pair for pair in _made_in(node) if _is_layer(pair[1], kinds)])
    ]
    names = [*(name or "a Sequential that is returned" for name, _ in chains), *(name for name, _ in classes)]
    if not names:
        raise NoLayersError("a file of Python that makes no layers")
    if len(names) > 1:
        raise SeveralError(names, classes[-1][0] if classes else "")
    known = dict(_numbers(tree))
    found = Assigned("", (("", chains[0][1]),)) if chains else Assigned(classes[0][0], tuple(classes[0][1]))
    return Assigned(found.holder, tuple((name, _with_numbers(call, known)) for name, call in found.layers))


def _kind(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _is_layer(call: ast.Call, kinds: Sequence[str]) -> bool:
    return _kind(call) in kinds or ast.unparse(call.func).startswith(("nn.", "torch.nn."))


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.Call]]:
    """Yield what is called in assignments, with the last part of the name that it gets."""
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            yield ast.unparse(statement.targets[0]).rpartition(".")[2], statement.value


def _returned(body: Sequence[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that functions of the file return."""
    for function in body:
        for statement in function.body if isinstance(function, ast.FunctionDef) else ():
            if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Call):
                yield statement.value


def _made_in(node: ast.ClassDef) -> Iterator[tuple[str, ast.Call]]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            yield from _assignments(method.body)


def _numbers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield names that a file gives a whole number, once and for all."""
    written: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                written.setdefault(ast.unparse(target), []).append(node.value)
        elif isinstance(node, (ast.AugAssign, ast.For)):
            written.setdefault(ast.unparse(node.target), []).extend([ast.Constant(None)] * 2)
        elif isinstance(node, ast.arg):
            # What a function is given, nobody knows.
            written.setdefault(node.arg, []).extend([ast.Constant(None)] * 2)
    for name, values in written.items():
        if len(values) == 1 and (number := computed(values[0])) is not None:
            yield name, number


def _with_numbers(call: ast.Call, known: Mapping[str, int]) -> ast.Call:
    """Return a call in which names stand for their numbers; the name of what is called stays."""

    class Numbers(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.Call:
            node.args = [self.visit(argument) for argument in node.args]
            node.keywords = [ast.keyword(entry.arg, self.visit(entry.value)) for entry in node.keywords]
            return node

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Constant(known[node.id]) if node.id in known else node

        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            text = ast.unparse(node)
            return ast.Constant(known[text]) if text in known else node

    result: ast.Call = Numbers().visit(call)
    return result
