"""A function with its arguments written out, as a syntax tree.

This is partial evaluation (N. D. Jones, C. K. Gomard and P. Sestoft, Partial Evaluation and Automatic Program
Generation, 1993): what depends on the known arguments alone is computed now, and the rest is left as it was written.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

from convcheck.rewriting.specialise.library import OURS, function_of, imports_of
from convcheck.rewriting.specialise.syntax import Import, bound, index, literal, used
from convcheck.rewriting.specialise.unfold import arguments_of, beginning_with, unfolded

LONG, LONGEST = 24, 64
"""A value of more characters than LONG keeps its name if it is used more than once, and one of more than LONGEST
always; others stand where they are used."""


class PartialEvaluation(ast.NodeTransformer):
    """Writes out every largest expression that is known, and chooses a branch where the test is known.

    A name is known only if the tree binds it once, in whatever scope. A value that a comment explains, above one of the
    lines `explained`, keeps its name. `imports` are those of the file, to which those within functions are added.
    """

    def __init__(
        self,
        tree: ast.AST,
        arguments: Mapping[str, object],
        outside: Mapping[str, object],
        explained: Container[int],
        imports: dict[str, Import],
    ) -> None:
        self.explained, self.bound, self.imports = explained, Counter(bound(tree)), imports
        self.uses = Counter(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
        self.values = {name: value for name, value in {**vars(builtins), **outside}.items() if name not in self.bound}
        # Names among those of known values that come from the arguments.
        self.derived: set[str] = set()
        # What stands in place of a name: its value, or something imported.
        self.written: dict[str, ast.expr] = {}
        # Whether attributes such as self.bias are None, as tests and their outcomes.
        self.outcomes: dict[str, bool] = {}
        # Assignments of values that keep their names; the tree goes without them.
        self.constants: dict[str, ast.Assign] = {}
        for name in arguments.keys() - {name for name, times in self.bound.items() if times > 1}:
            self.learn(name, arguments[name])

    def learn(self, name: str, value: object) -> None:
        self.values[name] = value
        self.derived.add(name)
        if written := literal(value):
            self.written[name] = written

    def is_known(self, node: ast.expr) -> bool:
        """Tell whether an expression has a value that depends on the arguments, and on nothing else."""
        if any(isinstance(part, ast.Slice) for part in (node, *getattr(node, "elts", ()))):
            return False
        needed = used(node) - set(bound(node))
        return needed <= self.values.keys() and not needed.isdisjoint(self.derived)

    def value(self, node: ast.expr) -> Any:
        return eval(ast.unparse(node), dict(self.values))

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and not isinstance(node, (ast.Name, ast.Starred)) and self.is_known(node):
            return literal(self.value(node)) or super().visit(node)
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.written.get(node.id, node)

    def visit_Starred(self, node: ast.Starred) -> ast.Starred | list[ast.expr]:
        node.value = self.visit(node.value)
        return node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else node

    def visit_keyword(self, node: ast.keyword) -> ast.AST | list[ast.keyword]:
        if node.arg is None and self.is_known(node.value):
            options = self.value(node.value)
            if isinstance(written := literal(options), ast.Dict):
                return [ast.keyword(name, value) for name, value in zip(options, written.values, strict=True)]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "getattr" and self.is_known(node.args[1]):
            return ast.Attribute(self.visit(node.args[0]), self.value(node.args[1]), ast.Load())
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        match node:
            case ast.Subscript(ast.Dict(keys, values), key) if self.is_known(key):
                choices = [choice and ast.literal_eval(choice) for choice in keys]
                return self.visit(values[choices.index(self.value(key))])
            case ast.Subscript(_, key) if self.is_known(key):
                node.slice = index(self.value(key))
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        outcome = self.outcomes.get(ast.unparse(node))
        return self.generic_visit(node) if outcome is None else ast.Constant(outcome)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        node.test = self.visit(node.test)
        if isinstance(node.test, ast.Constant):
            return self.visit(node.body if node.test.value else node.orelse)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        node.test = self.visit(node.test)
        if not isinstance(node.test, ast.Constant):
            return self.generic_visit(node)
        node.body, node.orelse = (node.body if node.test.value else node.orelse), []
        self.generic_visit(node)
        return node.body

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self.imports[alias.name] = getattr(node, "module", None), alias.name
            # Another name is of use only beside what else the file imports.
            if alias.asname:
                self.written[alias.asname] = ast.Name(alias.name, ast.Load())

    visit_ImportFrom = visit_Import

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Leave out the type, which is of no use to who copies the code."""
        assert node.value
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt] | None:
        (target,) = node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Call) and not self.is_known(node.value):
            statements = self.unfold(target.id, node.value)
            if statements is not None:
                return [ast.copy_location(statements[0], node), *statements[1:]] if statements else []
        names = list(bound(target))
        once = bool(names) and all(self.bound[name] == 1 for name in names)
        if once and self.is_known(node.value):
            self.learn_assigned(node, names)
            return None
        chosen = isinstance(node.value, ast.IfExp)
        node.value = self.visit(node.value)
        if chosen and not isinstance(node.value, ast.IfExp):
            text, absent = ast.unparse(target), ast.unparse(node.value) == "None"
            self.outcomes |= {f"{text} is None": absent, f"{text} is not None": not absent}
        if once and isinstance(node.value, (ast.Name, ast.Attribute)) and used(node.value) <= self.imports.keys():
            self.written[names[0]] = node.value
            return None
        return self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        match node.value:
            case ast.Call(_, [ast.Name(name), *_]) as call if not self.is_known(call):
                statements = self.unfold(name, call)
                if statements is not None:
                    result = ast.Return(ast.Name(name, ast.Load()), lineno=0)
                    first, *others = [*statements, result]
                    return [ast.copy_location(first, node), *others]
        return self.generic_visit(node)

    def learn_assigned(self, node: ast.Assign, names: list[str]) -> None:
        values = dict(self.values)
        exec(ast.unparse(node), values)
        for name in names:
            self.learn(name, values[name])
            written = self.written.get(name)
            limit = LONG if self.uses[name] > 1 else LONGEST
            if written and (node.lineno in self.explained or len(ast.unparse(written)) > limit):
                del self.written[name]
                self.constants[name] = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], written), node)

    def unfold(self, target: str, call: ast.Call) -> list[ast.stmt] | None:
        """Return what assigns a call of a function of ours to `target`, as statements; None if it has to be called."""
        match call:
            case ast.Call(ast.Name(name), [tensor, *_]) if not isinstance(tensor, ast.Starred):
                module, original = self.imports.get(name, (None, name))
            case _:
                return None
        if module is None or module.partition(".")[0] != OURS:
            return None
        function = function_of(module, original)
        others = arguments_of(function, call) if function else None
        if function is None or others is None:
            return None
        if not all(used(value) - set(bound(value)) <= self.values.keys() for value in others.values()):
            return None
        known = {argument: self.value(value) for argument, value in others.items()}
        imports = dict(imports_of(module))
        statements = unfolded(function, target, known, lambda body, known: _Unrolled(body, known, imports).statements)
        if statements is None:
            return None
        self.imports.update(imports)
        return beginning_with(self.visit(tensor), target, statements)


class _Unrolled(PartialEvaluation):
    """Writes out the statements of a function, and every round of a loop whose rounds are known."""

    def __init__(self, body: list[ast.stmt], known: Mapping[str, object], imports: dict[str, Import]) -> None:
        tree = ast.Module(body, [])
        super().__init__(tree, known, {}, (), imports)
        # Nothing keeps a name of its own.
        self.uses.clear()
        self.statements: list[ast.stmt] = self.visit(tree).body

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        names = used(node.iter)
        if not names <= self.values.keys():
            return self.generic_visit(node)
        rounds: list[ast.stmt] = []
        for values in self.value(node.iter):
            scope: dict[str, object] = {"values": values}
            exec(f"{ast.unparse(node.target)} = values", scope)
            known = {name: self.values[name] for name in self.derived}
            known.update({name: scope[name] for name in bound(node.target)})
            rounds += _Unrolled(copy.deepcopy(node.body), known, self.imports).statements
        return rounds
