"""Small faults in Python source: one comparison, constant, arithmetic operator or condition changed at a time.

Left alone is what no test of behaviour could notice, or what fails at once: annotations, texts, asserts, decorators,
sums with a text or a tuple written out, and the `strict` of a zip.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
UNDONE_BY_NEGATION = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Comparisons whose change is the negation already, so that a condition of one is no place of its own."""


@dataclass(frozen=True)
class Edit:
    """A fault in a file: bytes `start` to `end` become `after`."""

    file: str
    line: int
    column: int
    last_line: int
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}  {self.before}  ->  {self.after}"

    def apply(self, source: bytes) -> bytes:
        """Return the source with the fault in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def edits(file: str, source: bytes) -> Iterator[Edit]:
    """Yield all faults of a file, in the order of its nodes."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, changed in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        place = (node.lineno, node.col_offset + 1, node.end_lineno, start, end)
        yield Edit(file, *place, ast.unparse(node), f"({ast.unparse(changed)})")


def shuffled(all_edits: list[Edit], seed: int) -> list[Edit]:
    """Return the edits in an order that depends on the seed and on what is changed, and not on the lines around it."""
    times: Counter[str] = Counter()
    ranks = {}
    for edit in all_edits:
        change = f"{seed} {edit.file} {edit.before} {edit.after}"
        times[change] += 1
        ranks[edit] = hashlib.sha256(f"{change} {times[change]}".encode()).digest()
    return sorted(all_edits, key=ranks.__getitem__)


def in_rooms(top: Path, rooms: dict[str, str]) -> list[Edit]:
    """Return all faults of the folders in `rooms`, in the order of their files."""
    files = sorted(file for folder in rooms.values() for file in (top / folder).rglob("*.py"))
    return [edit for file in files for edit in edits(str(file.relative_to(top)), file.read_bytes())]


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield expressions, and what they are changed to."""
    match node:
        case ast.Assert() | ast.JoinedStr() | ast.arg():
            return
        case ast.keyword(arg="strict"):
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Compare(left, [operator], [right]):
            yield node, ast.Compare(left, [COMPARISONS[type(operator)]()], [right])
        case ast.Compare(left, [operator, *others], operands):
            yield node, ast.Compare(left, [COMPARISONS[type(operator)](), *others], operands)
        case ast.BoolOp(operator, values):
            yield node, ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield node, operand
        case ast.BinOp(left, operator, right) if type(operator) in ARITHMETIC and not (_text(left) or _text(right)):
            yield node, ast.BinOp(left, ARITHMETIC[type(operator)](), right)
        case ast.Constant(bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(int(value)):
            yield node, ast.Constant(value + 1)
        case ast.Constant(float(value)):
            yield node, ast.Constant(value * 2 if value else 1.0)
        case ast.Call(ast.Name(name), arguments, keywords) if name in CALLS:
            yield node, ast.Call(ast.Name(CALLS[name]), arguments, keywords)
    for test in _tests(node):
        if not (_is_comparison_undone_by_negation(test) or isinstance(test, ast.UnaryOp)):
            yield test, ast.UnaryOp(ast.Not(), test)
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "type_params"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _changes(child)


def _text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.Tuple | ast.List) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _tests(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    return node.ifs if isinstance(node, ast.comprehension) else []


def _is_comparison_undone_by_negation(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], UNDONE_BY_NEGATION)
