"""Syntax trees as text: comments where they stood, and one item a line where a line would be too long."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator

LONGEST_LINE = 110

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)

Comments = dict[int, list[str]]
"""Comments by the number of the line of code below them."""


def comments_of(source: str) -> Comments:
    """Return the comments of a file that have lines of their own."""
    blocks = re.finditer(r"^( *#.*\n)+", source, re.MULTILINE)
    return {source.count("\n", 0, block.end()) + 1: re.findall("#.*", block[0]) for block in blocks}


def unparse(statements: list[ast.stmt], comments: Comments) -> str:
    """Return statements as text, with the comments that stood above them, or above arguments in them."""
    for node in ast.walk(ast.Module(statements, [])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = _DoubleQuoted(node.value)
    return "\n".join(_Writer(comments).block(statements, ""))


class _DoubleQuoted(str):
    """A text that `ast.unparse` writes between double quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _Writer:
    """Yields lines of code; a comment comes once, above what begins its line."""

    def __init__(self, comments: Comments) -> None:
        self.comments = dict(comments)

    def above(self, node: ast.AST, indent: str) -> Iterator[str]:
        for comment in self.comments.pop(getattr(node, "lineno", 0), []):
            yield indent + comment

    def block(self, statements: list[ast.stmt], indent: str) -> Iterator[str]:
        for before, statement in zip([None, *statements], statements, strict=False):
            if before and (isinstance(before, DEFINITIONS) or isinstance(statement, DEFINITIONS)):
                yield from [""] if indent else ["", ""]
            yield from self.above(statement, indent)
            body: list[ast.stmt] = getattr(statement, "body", [])
            yield from self.compound(statement, body, indent) if body else self.simple(statement, indent)

    def compound(self, statement: ast.stmt, body: list[ast.stmt], indent: str) -> Iterator[str]:
        others: list[ast.stmt] = getattr(statement, "orelse", [])
        head = copy.copy(statement)
        vars(head).update(body=[], orelse=[])
        # Where a default stands behind a type, there is room around its sign.
        yield indent + re.sub(r"(: [\w.]+)=(?=\S)", r"\1 = ", ast.unparse(head))
        yield from self.block(body, indent + "    ")
        match others:
            case [ast.If()]:
                first, *lines = self.block(others, indent)
                yield from [f"{indent}el{first.strip()}", *lines]
            case [_, *_]:
                yield f"{indent}else:"
                yield from self.block(others, indent + "    ")

    def simple(self, statement: ast.stmt, indent: str) -> Iterator[str]:
        # Alone in a module, a text is quoted as a docstring.
        text = ast.unparse(ast.Module([statement], []))
        match statement:
            case ast.Assign([ast.Tuple([only])], value):
                yield f"{indent}({ast.unparse(only)},) = {ast.unparse(value)}"
            case ast.Assign([ast.Tuple()], ast.Tuple(values) as value):
                yield indent + text.removesuffix(ast.unparse(value)) + ", ".join(map(ast.unparse, values))
            case ast.Assign(value=value) | ast.Return(ast.expr() as value) | ast.Expr(ast.Call() as value):
                yield from self.expression(value, indent, text.removesuffix(ast.unparse(value)))
            case _:
                yield indent + text

    def expression(self, node: ast.AST, indent: str, before: str = "", after: str = "") -> Iterator[str]:
        """Yield an expression, an argument or a loop: one item a line if it is long, or comments are within."""
        line = f"{indent}{before}{ast.unparse(node).strip()}{after}"
        commented = any(getattr(part, "lineno", 0) in self.comments for part in ast.walk(node))
        items: list[ast.AST] = []
        comma = ","
        match node:
            case ast.keyword(str(name), value) if commented or len(line) > LONGEST_LINE:
                yield from self.expression(value, indent, f"{name}=", after)
                return
            case ast.Call(ast.Attribute(ast.Call() as first, name), arguments, []) if not commented and arguments:
                after = f".{name}({', '.join(map(ast.unparse, arguments))}){after}"
                yield from self.expression(first, indent, before, after)
                return
            case ast.Call(function, arguments, keywords):
                before, items = before + ast.unparse(function), [*arguments, *keywords]
            case ast.List(elements) | ast.Tuple(elements):
                items = [*elements]
            case ast.Dict([_, *_]):
                yield from self.entries(node, indent, before, after)
                return
            case ast.ListComp(element, loops):
                items, comma = [element, *loops], ""
        if not items or (not commented and len(line) <= LONGEST_LINE):
            yield line
            return
        opening, closing = "()" if isinstance(node, (ast.Call, ast.Tuple)) else "[]"
        yield indent + before + opening
        for item in items:
            yield from self.above(item, indent + "    ")
            yield from self.expression(item, indent + "    ", after=comma)
        yield indent + closing + after

    def entries(self, node: ast.Dict, indent: str, before: str, after: str) -> Iterator[str]:
        """Yield a dict, one entry a line."""
        yield f"{indent}{before}{{"
        for key, value in zip(node.keys, node.values, strict=True):
            assert key
            yield from self.expression(value, indent + "    ", f"{ast.unparse(key)}: ", ",")
        yield f"{indent}}}{after}"
