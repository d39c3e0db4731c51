"""A function with some of its arguments written out, as edits of its own source."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterator, Mapping
from types import FunctionType

from convcheck.rewriting.specialise.expressions import Expressions
from convcheck.rewriting.specialise.known import assign, bindings, free, plain, targets
from convcheck.rewriting.specialise.literals import laid_out, literal

LONG = 24
"""A value of more characters than this keeps its name; a shorter one stands where it is used."""

Import = tuple[str | None, str, str]
"""The module that a name comes from, what it is there, and what it is here."""


class Builder(Expressions):
    """Collects the edits of one function's source.

    Functions of its module that it calls with arguments that are known and no literals, such as a layer, are
    specialised, too, and put into `helpers` by name.
    """

    def __init__(self, function: FunctionType, arguments: Mapping[str, object], helpers: dict[str, Builder]) -> None:
        super().__init__(function)
        self.function, self.arguments, self.helpers = function, arguments, helpers
        self.imports: dict[str, Import] = {}
        with self.scope(bindings(self.tree)):
            self.learn(arguments)
            for statement in self.tree.body:
                self.visit(statement)

    def definition(self) -> str:
        """Return the function itself, as source, without the parameters that are known."""
        parameters = self.tree.args.args
        self.drop(parameters, {at for at, each in enumerate(parameters) if each.arg in self.arguments})
        return self.result()

    def visit_Call(self, node: ast.Call) -> None:
        function = self.names.get(node.func.id) if isinstance(node.func, ast.Name) else None
        gone: set[int] = set()
        if isinstance(function, FunctionType) and function.__module__ == self.function.__module__:
            parameters = list(inspect.signature(function).parameters)
            gone = {
                at
                for at, argument in enumerate(node.args)
                if not isinstance(argument, ast.Starred)
                and self.is_known(argument)
                and literal(self.value(argument)) is None
            }
            if gone:
                values = {parameters[at]: self.value(node.args[at]) for at in gone}
                helper = self.helpers.setdefault(function.__name__, Builder(function, values, self.helpers))
                if helper.arguments != values:
                    raise ValueError(
                        f"{function.__name__} is given more than one {', '.join(values)}; give it plain values"
                    )
                self.drop([*node.args, *node.keywords], gone)
        for child in (node.func, *(each for at, each in enumerate(node.args) if at not in gone), *node.keywords):
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.visit_inner(node, bindings(node))

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = node.module if isinstance(node, ast.ImportFrom) else None
        used = {each.id for each in self.nodes if isinstance(each, ast.Name)}
        for alias in node.names:
            here = alias.asname or alias.name
            # Another name that was only needed beside what else the file imports gives way to the usual one.
            name = alias.name if module and alias.name not in used else here
            self.imports[name] = (module, alias.name, name)
            self.dotted[here] = name
            if module == math.__name__:
                self.names[here] = getattr(math, alias.name)
        assert node.end_lineno is not None
        blank = not self.line(node.end_lineno + 1).strip()
        self.edits.append((self.starts[node.lineno - 1], self.starts[node.end_lineno + blank], ""))

    visit_ImportFrom = visit_Import

    def visit_If(self, node: ast.If) -> None:
        outcome = self.decided(node.test)
        branch = node.body if outcome else node.orelse
        if outcome is None or any(self.bytes.startswith(b"elif", self.span(each)[0]) for each in (node, *branch)):
            self.generic_visit(node)
            return
        if not branch:
            self.remove(node)
            return
        first, last = self.first_line(branch[0]), branch[-1].end_lineno
        assert last is not None
        assert node.end_lineno is not None
        for start, stop in ((node.lineno, first), (last + 1, node.end_lineno + 1)):
            if stop > start:
                self.edits.append((self.starts[start - 1], self.starts[stop - 1], ""))
        for number in range(first, last + 1):
            if self.line(number).strip():
                self.dedents[number] = self.dedents.get(number, 0) + branch[0].col_offset - node.col_offset
        for statement in branch:
            self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not (len(node.targets) == 1 and self.bound(node, node.targets[0], node.value)):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """A type that a checker needed to be told is of no use to who copies the code."""
        if node.value is None or self.bound(node, node.target, node.value):
            return
        if isinstance(node.target, ast.Name):
            self.edits.append((self.span(node.target)[1], self.span(node.annotation)[1], ""))
        self.visit(node.target)
        self.visit(node.value)

    def bound(self, statement: ast.stmt, target: ast.expr, value: ast.expr) -> bool:
        """Learn what an assignment binds, and return whether nothing else is to be done about it."""
        if isinstance(target, ast.Attribute):
            self.note_presence(target, value)
            return False
        names = set(targets(target))
        if not plain(target) or not names <= self.once:
            return False
        chosen = self.stands_for(value)
        if chosen is not None and isinstance(target, ast.Name):
            self.dotted[target.id] = chosen
            self.remove(statement)
            return True
        if not set(free(value)) and isinstance(value, (ast.Constant, ast.Tuple)):
            # Written out already, and its name is kept where it is needed.
            self.names.update(assign(target, value, {}))
            self.kept |= names
            return True
        if not self.is_known(value):
            return False
        values = assign(target, value, self.names)
        if any(isinstance(each, Iterator) for each in values.values()):
            # What can be looped over once is no value.
            return False
        self.learn(values)
        if any(literal(each) is None for each in values.values()):
            # It serves to write out what is made of it; should that be all, then nothing uses it any more.
            self.kept |= names
            self.visit(value)
        else:
            self.write_bound(statement, values)
        return True

    def write_bound(self, statement: ast.stmt, values: Mapping[str, object]) -> None:
        """Keep the names of values that are long, or that the author explains."""
        explained = self.first_line(statement) < statement.lineno
        # Where a branch was chosen, its lines move to the left.
        lines, indent = [], " " * (statement.col_offset - self.dedents.get(statement.lineno, 0))
        for name, value in values.items():
            if explained or len(literal(value) or "") > LONG:
                self.kept.add(name)
                lines.append(f"{name} = {laid_out(value, indent)}")
        if lines:
            self.replace(statement, f"\n{indent}".join(lines))
        else:
            self.remove(statement)

    def note_presence(self, target: ast.Attribute, value: ast.expr) -> None:
        """Note whether an attribute that may be None is None, such as `self.bias`."""
        written = ast.unparse(target)
        stores = [n for n in self.nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
        if isinstance(value, ast.IfExp) and [ast.unparse(store) for store in stores].count(written) == 1:
            outcome = self.decided(value.test)
            if outcome is not None:
                branch = value.body if outcome else value.orelse
                self.there[written] = not (isinstance(branch, ast.Constant) and branch.value is None)
