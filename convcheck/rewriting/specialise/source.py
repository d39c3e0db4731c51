"""The source of a function, and edits of it that leave the rest as it was written."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from types import FunctionType


class Source:
    """A function's source with its syntax tree, and the edits to make in it."""

    def __init__(self, function: FunctionType) -> None:
        text = textwrap.dedent(inspect.getsource(function))
        (tree,) = ast.parse(text).body
        assert isinstance(tree, ast.FunctionDef)
        self.tree = tree
        self.nodes = list(ast.walk(tree))
        # Python counts columns in bytes.
        self.bytes = text.encode()
        self.starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.edits: list[tuple[int, int, str]] = []
        self.dedents: dict[int, int] = {}

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def replace(self, node: ast.expr | ast.stmt | ast.keyword, text: str) -> None:
        self.edits.append((*self.span(node), text))

    def line(self, number: int) -> str:
        return self.bytes[self.starts[number - 1] : self.starts[number]].decode()

    def first_line(self, statement: ast.stmt) -> int:
        """Return the line where a statement begins, with the comment directly above it."""
        first = statement.lineno
        while self.line(first - 1).strip().startswith("#"):
            first -= 1
        return first

    def remove(self, statement: ast.stmt) -> None:
        assert statement.end_lineno is not None
        self.edits.append((self.starts[self.first_line(statement) - 1], self.starts[statement.end_lineno], ""))

    def drop(self, items: Sequence[ast.expr | ast.keyword | ast.arg], gone: set[int]) -> None:
        """Remove some of the items of a list that is separated by commas."""
        for at in gone:
            start, end = self.span(items[at])
            if at + 1 < len(items):
                end = self.span(items[at + 1])[0]
            elif len(items) - len(gone) > 0:
                start = self.span(items[at - 1])[1]
            self.edits.append((start, end, ""))

    def result(self) -> str:
        """Return the source with all edits made, the later of two that overlap being part of the earlier."""
        edits = self.edits + [
            (self.starts[line - 1], self.starts[line - 1] + n, "") for line, n in self.dedents.items()
        ]
        written, at = b"", 0
        for start, end, text in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
            if start >= at:
                written += self.bytes[at:start] + text.encode()
                at = end
        return (written + self.bytes[at:]).decode()
