"""The faults that are planted in convcheck's own source: what is changed, what is left alone, and in which order."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.source_edits import edits, in_rooms, shuffled

TOP = Path(__file__).parents[2]


def changed(source: str) -> list[str]:
    return [edit.apply(source.encode()).decode() for edit in edits("file.py", source.encode())]


CHANGED = {
    "a < b": ["(a <= b)"],
    "a < b < c": ["(a <= b < c)"],
    "a is not b": ["(a is b)"],
    "a and b or c": ["((a and b) and c)", "(a or b) or c"],
    "not a": ["(a)"],
    "a - b": ["(a + b)"],
    "a // b": ["(a * b)"],
    "x[2]": ["x[(3)]"],
    "f(True, 0.0, 1.5)": ["f((False), 0.0, 1.5)", "f(True, (1.0), 1.5)", "f(True, 0.0, (3.0))"],
    "max(a, b)": ["(min(a, b))"],
    "if a: b": ["if (not a): b"],
    "if a == b: c": ["if (a != b): c"],
    "if not a: b": ["if (a): b"],
    "a if b else c": ["a if (not b) else c"],
    "[a for a in b if a]": ["[a for a in b if (not a)]"],
    "é = (\n    a\n    + b  # why\n)": ["é = (\n    (a - b)  # why\n)"],
}


@pytest.mark.parametrize("source", CHANGED)
def test_one_thing_is_changed_at_a_time(source: str) -> None:
    assert changed(source) == CHANGED[source]


LEFT_ALONE = [
    '"""A text, 1 of 2."""',
    "def f(x: tuple[1, 2] = y) -> z[3]: ...",
    "x: list[2] = y",
    "@dataclass(frozen=True)\nclass A: ...",
    "assert a < b",
    "if TYPE_CHECKING: import a",
    "zip(a, b, strict=True)",
    "'a' + b",
    "a + (b,)",
    "f'{a + 1}'",
    "a | b",
    "None",
]


@pytest.mark.parametrize("source", LEFT_ALONE)
def test_what_no_test_of_behaviour_could_notice_is_left_alone(source: str) -> None:
    assert changed(source) == []


def test_every_fault_of_a_room_is_source_again_and_not_what_it_was() -> None:
    planted = in_rooms(TOP, {"sizes": "convcheck/sizes"})
    assert len({str(edit) for edit in planted}) == len(planted) > 100
    for edit in planted[::10]:
        source = (TOP / edit.file).read_bytes()
        assert ast.dump(ast.parse(edit.apply(source))) != ast.dump(ast.parse(source)), edit


def test_the_order_depends_on_the_seed_and_not_on_the_lines_around() -> None:
    source = b"a = 1\nb = 1\nc = 2 + x\nd = y < 7\n"
    orders = [
        [(edit.before, edit.after) for edit in shuffled(list(edits("file.py", text)), seed)]
        for text in (source, b"# A line more.\n\n" + source)
        for seed in range(5)
    ]
    assert orders[:5] == orders[5:]
    assert len({str(order) for order in orders}) > 1
