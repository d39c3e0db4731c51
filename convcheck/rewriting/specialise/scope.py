"""What the names of a function stand for before it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType

from convcheck.rewriting.specialise.known import BUILTINS, changed, evaluate, free
from convcheck.rewriting.specialise.source import Source


class Known(Source):
    """A function's source, and what is known at the place that is looked at."""

    def __init__(self, function: FunctionType) -> None:
        super().__init__(function)
        self.names: dict[str, object] = {**BUILTINS, **function.__globals__}
        """Every name that is known, with its value."""
        self.derived: set[str] = set()
        """Those among them that come from the arguments."""
        self.kept: set[str] = set()
        """Names of values that are written out once, where they are bound."""
        self.dotted: dict[str, str] = {}
        """Names that stand for something imported, and what they stand for."""
        self.there: dict[str, bool] = {}
        """Attributes such as self.bias that are known to be None, or not to be."""
        self.once: set[str] = set()
        """Names that the function at hand binds once, and does not change in place."""
        self.changed = changed(self.nodes)

    @contextmanager
    def scope(self, local: Mapping[str, int]) -> Iterator[None]:
        """Within a function, forget what its own names stand for outside; bound once, they may become known again."""
        saved = self.names, self.derived, self.dotted, self.once
        self.names = {name: value for name, value in self.names.items() if name not in local}
        self.derived = self.derived - local.keys()
        self.dotted = {name: text for name, text in self.dotted.items() if name not in local}
        self.once = {name for name, count in local.items() if count == 1} - self.changed
        yield
        self.names, self.derived, self.dotted, self.once = saved

    def learn(self, values: Mapping[str, object]) -> None:
        self.names.update(values)
        self.derived |= values.keys()

    def is_known(self, node: ast.expr) -> bool:
        """Tell whether an expression has a value that depends on the arguments, and on nothing else."""
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        if isinstance(node, ast.Starred) or any(isinstance(part, ast.Slice) for part in parts):
            return False
        needed = set(free(node))
        return needed <= self.names.keys() and bool(needed & self.derived)

    def value(self, node: ast.expr) -> object:
        return evaluate(node, self.names)

    def decided(self, test: ast.expr) -> bool | None:
        """Return the outcome of a test, or None if it is not known."""
        if self.is_known(test):
            return bool(self.value(test))
        match test:
            case ast.Compare(ast.Attribute() as left, [ast.Is() | ast.IsNot() as how], [ast.Constant(None)]):
                there = self.there.get(ast.unparse(left))
                return None if there is None else there is isinstance(how, ast.IsNot)
        return None

    def stands_for(self, node: ast.expr) -> str | None:
        """Return the dotted name of something imported that an expression chooses, as `nn.Conv2d`; None if none."""
        match node:
            case ast.Name():
                return self.dotted.get(node.id)
            case ast.Attribute():
                base = self.stands_for(node.value)
                return base and f"{base}.{node.attr}"
            case ast.IfExp() if (outcome := self.decided(node.test)) is not None:
                return self.stands_for(node.body if outcome else node.orelse)
            case ast.Call(ast.Name("getattr"), [base_node, name]) if self.is_known(name):
                base = self.stands_for(base_node)
                return base and f"{base}.{self.value(name)}"
            case ast.Subscript(ast.Dict() as choices, key) if self.is_known(key):
                chosen = self.value(key)
                for each, choice in zip(choices.keys, choices.values, strict=True):
                    if isinstance(each, ast.Constant) and each.value == chosen:
                        return self.stands_for(choice)
        return None
