"""Functions, constants and imports of the files that code to copy comes from, read and not run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from convcheck.rewriting.specialise.syntax import Import, bound
from convcheck.rewriting.specialise.unparse import Comments, comments_of

Definition = ast.FunctionDef | ast.Assign | ast.AnnAssign

OURS = __name__.partition(".")[0]
APART = 10**6
"""Lines between the files, so that every line has a number of its own; none is that long."""


@dataclass
class Library:
    """What files define and import, by name; a name that two of them define is that of the first."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    comments: Comments = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)

    def read(self, module: str) -> ast.Module:
        """Add what a module defines and imports, and return its tree; lines are numbered behind those of the others."""
        text = source_of(module)
        tree, offset = ast.parse(text), APART * len(self.modules)
        ast.increment_lineno(tree, offset)
        self.comments.update({line + offset: above for line, above in comments_of(text).items()})
        self.modules.add(module)
        for node in tree.body:
            if isinstance(node, Definition):
                self.definitions.setdefault(next(bound(node)), node)
        for name, origin in imports_of(module).items():
            self.imports.setdefault(name, origin)
        return tree

    def follow(self, name: str) -> bool:
        """Read the file of ours that a name is imported from; tell whether it is."""
        module, _ = self.imports.get(name, (None, ""))
        if module is None or module.partition(".")[0] != OURS:
            return False
        del self.imports[name]
        if module not in self.modules:
            self.read(module)
        return True


@cache
def source_of(module: str) -> str:
    """Return the text of a module of ours, which is not imported: it may import torch."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def function_of(module: str, name: str) -> ast.FunctionDef | None:
    """Return a function of a module of ours, as written."""
    nodes = ast.parse(source_of(module)).body
    return next((node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name), None)


def imports_of(module: str) -> dict[str, Import]:
    """Return the names that a module of ours imports; what only type checkers import stands under an `if`."""
    nodes = ast.parse(source_of(module)).body
    nodes += [inner for node in nodes if isinstance(node, ast.If) for inner in node.body]
    return {
        alias.name: (getattr(node, "module", None), alias.name)
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
