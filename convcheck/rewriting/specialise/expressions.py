"""Expressions of known value, written out where they stand."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

from convcheck.rewriting.specialise.known import targets
from convcheck.rewriting.specialise.literals import index, literal
from convcheck.rewriting.specialise.scope import Known


class Expressions(Known, ast.NodeVisitor):
    """Collects the edits that write out every largest expression that is known."""

    def visit(self, node: ast.AST) -> None:
        """Write an expression out, or look into it."""
        if not (isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)) or not (
            self.written(node)
        ):
            super().visit(node)

    def written(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name) and node.id in self.kept and node.id in self.names:
            return True
        if self.is_known(node):
            text = literal(self.value(node))
            if text is not None:
                self.replace_value(node, text)
                return True
        chosen = self.stands_for(node)
        if chosen is not None and chosen != ast.unparse(node):
            self.replace(node, chosen)
            return True
        return False

    def replace_value(self, node: ast.expr, text: str) -> None:
        """Put a value in an expression's place, and in that of parentheses around it that it does not need."""
        start, end = self.span(node)
        bare = re.search(rb"[^\w\s)\]]\s*\($", self.bytes[:start]) and self.bytes[end : end + 1] == b")"
        if bare and not text.startswith("-"):
            start, end = start - 1, end + 1
        self.edits.append((start, end, text))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Pow) and self.is_known(node.left):
            text = literal(self.value(node.left)) or ""
            if text.startswith("-"):
                self.replace(node.left, f"({text})")
                self.visit(node.right)
                return
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if self.is_known(node.value) and not (isinstance(node.value, ast.Name) and node.value.id in self.kept):
            entries = [literal(entry) for entry in self.listed(node.value)]
            if entries and None not in entries:
                self.replace(node, ", ".join(map(str, entries)))
                return
        self.generic_visit(node)

    def listed(self, node: ast.expr) -> list[object]:
        value = self.value(node)
        return list(value) if isinstance(value, (tuple, list)) or inspect.isgenerator(value) else []

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is None and self.is_known(node.value):
            value = self.value(node.value)
            if isinstance(value, dict) and value and literal(value) is not None:
                self.replace(node, ", ".join(f"{name}={literal(each)}" for name, each in value.items()))
                return
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self.is_known(node.slice):
            text = index(self.value(node.slice))
            if text is not None:
                self.replace(node.slice, text)
                self.visit(node.value)
                return
        self.generic_visit(node)

    def visit_Slice(self, node: ast.Slice) -> None:
        bounds = [bound for bound in (node.lower, node.upper, node.step) if bound is not None]
        if bounds and all(isinstance(bound, ast.Constant) or self.is_known(bound) for bound in bounds):
            text = index(slice(*(each and self.value(each) for each in (node.lower, node.upper, node.step))))
            assert text is not None
            self.replace(node, text)
        else:
            self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        outcome = self.decided(node.test)
        if outcome is None:
            self.generic_visit(node)
        else:
            self.choose(node, node.body if outcome else node.orelse)

    def choose(self, node: ast.expr, branch: ast.expr) -> None:
        """Leave one branch of a conditional expression."""
        (start, end), (first, last) = self.span(node), self.span(branch)
        if branch.lineno == branch.end_lineno:
            # It fits without the parentheses that both branches were broken over lines in.
            before = re.search(rb"= (\(\s*)$", self.bytes[:start])
            after = re.match(rb"\s*\)", self.bytes[end:])
            if before and after:
                start, end = before.start(1), end + after.end()
        self.edits += [(start, first, ""), (last, end, "")]
        self.visit(branch)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python does not tell where the parts of an f-string are, so one that is not known as a whole stays."""

    def visit_inner(self, node: ast.AST, local: Mapping[str, int]) -> None:
        with self.scope(local):
            self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_inner(node, dict.fromkeys(targets(node), 2))

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit_inner(node, dict.fromkeys(targets(node), 2))

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp
