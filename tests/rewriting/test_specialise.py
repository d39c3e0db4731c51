"""Code that is printed to be copied runs as it is, and is the rewrite; how arguments are written out."""

from __future__ import annotations

import ast
import inspect
import io
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from torch.func import functional_call

from convcheck.catalogue.applicability import facts
from convcheck.catalogue.catalogue import catalogue
from convcheck.cli.console import show
from convcheck.layers import Layer, parse_layer
from convcheck.modules.build import build
from convcheck.proof.evidence import samples
from convcheck.report.plain_console import UNLIMITED
from convcheck.report.tables.rewrite_table import rewrite_page
from convcheck.rewriting.specialise import specialise
from convcheck.rewriting.specialise.literals import literal
from convcheck.sizes.patterns import Shapes
from tests.laws.test_laws import NAMES, accepted, every_rewrite, orders
from tests.strategies.attentions import drawn_point

MAGNITUDE = 9
"""Sums of products this small are exact in float64, and a transform's error on them rounds away."""


def check(name: str, layer: Layer, shapes: Shapes, order: tuple[str, ...] | None = None) -> None:
    """Run the code that is printed for a layer, and hold its outputs against those of the layer as torch has it."""
    rewrite = catalogue()[name]
    code = rewrite.code(layer, shapes, order)
    named = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert not named & {*inspect.signature(rewrite.candidate).parameters, "conv", "linear", "layer", "shape", "spell"}
    namespace: dict[str, torch.nn.Module] = {}
    exec(code, namespace)
    candidate, reference = namespace["candidate"].double(), build(layer, torch.float64).eval()
    generator = torch.Generator().manual_seed(0)
    if layer.degree() is None:
        at = drawn_point(layer, shapes)
    else:
        at = samples.integers(layer, shapes, MAGNITUDE, generator).mapped(torch.Tensor.detach)
    candidate.load_state_dict(rewrite.transplant(layer, shapes, order).forward(at.parameters))
    with torch.no_grad():
        y, expected = candidate(*at.inputs), functional_call(reference, dict(at.parameters), at.inputs)
    if layer.degree() is None:
        # No integers come of a softmax; how close it has to be is another test's matter.
        torch.testing.assert_close(y, expected)
    else:
        assert torch.equal(y.round() if rewrite.transform else y, expected), code


@every_rewrite
def test_the_code_of_the_example_runs_in_an_empty_file_and_is_the_rewrite(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    shapes = rewrite.example_inputs or layer.typical_inputs()
    assert facts(name).code == rewrite.code(layer, shapes)
    check(name, layer, shapes)


@every_rewrite
@given(data=st.data())
def test_so_does_the_code_of_any_layer(name: str, data: st.DataObject) -> None:
    layer, shapes = data.draw(accepted(name))
    check(name, layer, shapes, data.draw(orders(name, layer)))


@pytest.mark.parametrize("width", [40, 80, 120, UNLIMITED])
@pytest.mark.parametrize("terminal", [True, False])
def test_code_is_printed_whole_at_every_width(width: int, terminal: bool) -> None:
    for name in NAMES:
        out = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, markup=False)
        described = facts(name)
        show(out, rewrite_page(described))
        assert isinstance(out.file, io.StringIO)
        assert out.file.getvalue().endswith(f"as code to copy:\n\n{described.code}")


# How a function is specialised, on functions that build nothing but numbers and texts.


@dataclass(frozen=True)
class Box:
    """What the functions below take as an argument."""

    sides: tuple[int, ...]
    label: str
    lid: bool = True

    @property
    def dims(self) -> int:
        return len(self.sides)


BOX = Box((2, 3), "a box")
OPEN = Box((4,), "an open box", lid=False)
UNIT = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def written_out(box: Box) -> object:
    volume = math.prod(box.sides)
    # How much of it there is, which is worth a name.
    amount = volume + 1
    below = -box.dims
    word = f"{box.label} of {box.dims} dimensions"

    def fill(level: int) -> object:
        # Comments stay, and so does the layout.
        return [
            level * (volume - 1),  # as do comments behind
            amount,
            word,
            level**-box.dims,
            below**level,
        ]

    return fill


def unused(box: Box) -> object:
    # This explains a name that is gone.
    lid = "with a lid" if box.lid else "without a lid, or with one that is lost"
    return f"{box.label} {lid}"


def shadowed(box: Box) -> object:
    side = box.sides[0]
    within = (lambda box: box + side, lambda: side)

    def inner(side: int, *rest: int, box: int = 0) -> object:
        return side, rest, box, [side + 1 for side in range(box)]

    def changing(start: int) -> object:
        total = side
        total += start
        found = list(box.sides)
        found.append(total)
        return found

    return within, inner, changing, [box + 1 for box in box.sides], {side: -box for side, box in enumerate((1, 2))}


def folded(box: Box) -> object:
    class Lidded:
        def __init__(self, start: int) -> None:
            self.lid = start + 1 if box.lid else None

        def close(self, height: int) -> int:
            if box.dims > 1:
                # Flat boxes are not closed.
                height = height + box.dims
                height = height * box.dims
            else:
                height = height - 1
            if not box.lid:
                # Nothing closes this one.
                return -1
            return height if self.lid is None else height * self.lid

    return Lidded


def spliced(box: Box) -> object:
    sides: list[int] = [side + 1 for side in box.sides]
    options = {"key": len, "reverse": box.lid}
    texts = {"sep": box.label, "end": "."}
    every: tuple[slice, ...] = (*(slice(None, None, step) for step in box.sides), ...)

    def use(grid: dict[object, int], row: list[int]) -> object:
        largest = {1: max, 2: math.hypot}[box.dims]
        print(*sides, *row, **texts)
        return grid[every], row[-box.dims : box.sides[0]], row[: -box.dims], largest, sorted(row, **options)

    return use


def area(box: Box, scale: int, *, plus: int = 0) -> int:
    """Return what this documents."""
    from math import prod

    return prod(box.sides) * scale + plus


def doubled(value: int) -> int:
    return 2 * value + len(UNIT)


def helped(box: Box) -> object:
    return lambda scale: doubled(area(box, scale, plus=box.dims))


def imported(box: Box) -> object:
    import fractions
    from collections import OrderedDict as Ordered
    from collections import deque
    from math import prod, sqrt

    root = {1: sqrt, 2: fractions.Fraction}[box.dims]
    return Ordered(root=root(prod(box.sides)), count=len(deque()))


def several(box: Box) -> object:
    def fill(more: int) -> int:
        level = 0
        if more > 1:
            level = more
        elif box.lid:
            level = box.dims
        return level

    return fill


def lengthy(box: Box) -> object:
    from collections import OrderedDict

    said = {name: f"{name} of all, {box.label}, which is a box" for name in ("first", "second")}
    return OrderedDict(**said, third=[OrderedDict(a=name, **said, length=len(name)) for name in "x"], fourth=4)


def needing(box: Box) -> object:
    return lambda other: box == other


def in_text(box: Box) -> object:
    return lambda other: f"{other} {box.label}"


def ambiguous(box: Box) -> object:
    return lambda scale: area(box, scale) + area(Box((1,), box.label), scale)


def early(box: Box) -> object:
    if box.lid:
        return 1
    return 2


@dataclass(frozen=True)
class Case:
    """A function, what it is given, and the source that shall come out."""

    function: Callable[[Box], object]
    box: Box
    code: str


CASES = {
    "values are written out, a long or explained one by name; comments and layout stay": Case(
        written_out,
        OPEN,
        """
        # How much of it there is, which is worth a name.
        amount = 5
        word = "an open box of 1 dimensions"


        def fill(level: int) -> object:
            # Comments stay, and so does the layout.
            return [
                level * 3,  # as do comments behind
                amount,
                word,
                level**-1,
                (-1)**level,
            ]


        result = fill
        """,
    ),
    "a name that nothing uses any more is gone": Case(
        unused,
        BOX,
        """
        result = "a box with a lid"
        """,
    ),
    "names that are bound again, and what is changed in place, are left alone": Case(
        shadowed,
        BOX,
        """
        within = (lambda box: box + 2, lambda: 2)


        def inner(side: int, *rest: int, box: int = 0) -> object:
            return side, rest, box, [side + 1 for side in range(box)]


        def changing(start: int) -> object:
            total = 2
            total += start
            found = [2, 3]
            found.append(total)
            return found


        result = within, inner, changing, [3, 4], {side: -box for side, box in enumerate((1, 2))}
        """,
    ),
    "what is asked for only after something else is not folded": Case(
        several,
        BOX,
        """
        def fill(more: int) -> int:
            level = 0
            if more > 1:
                level = more
            elif True:
                level = 2
            return level


        result = fill
        """,
    ),
    "what holds is folded": Case(
        folded,
        BOX,
        """
        class Lidded:
            def __init__(self, start: int) -> None:
                self.lid = start + 1

            def close(self, height: int) -> int:
                # Flat boxes are not closed.
                height = height + 2
                height = height * 2
                return height * self.lid


        result = Lidded
        """,
    ),
    "what does not hold is folded": Case(
        folded,
        replace(BOX, sides=(4,)),
        """
        class Lidded:
            def __init__(self, start: int) -> None:
                self.lid = start + 1

            def close(self, height: int) -> int:
                height = height - 1
                return height * self.lid


        result = Lidded
        """,
    ),
    "what is there or not is folded where it is asked for": Case(
        folded,
        replace(BOX, lid=False),
        """
        class Lidded:
            def __init__(self, start: int) -> None:
                self.lid = None

            def close(self, height: int) -> int:
                # Flat boxes are not closed.
                height = height + 2
                height = height * 2
                # Nothing closes this one.
                return -1
                return height


        result = Lidded
        """,
    ),
    "arguments are spliced in and slices written as such": Case(
        spliced,
        BOX,
        """
        import math

        options = {"key": len, "reverse": True}


        def use(grid: dict[object, int], row: list[int]) -> object:
            largest = {1: max, 2: math.hypot}[2]
            print(3, 4, *row, sep="a box", end=".")
            return grid[::2, ::3, ...], row[-2:2], row[:-2], largest, sorted(row, **options)


        result = use
        """,
    ),
    "functions and constants of the file come along, without the argument that is known": Case(
        helped,
        BOX,
        """
        UNIT = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


        def doubled(value: int) -> int:
            return 2 * value + len(UNIT)


        def area(scale: int, *, plus: int = 0) -> int:
            \"""Return what this documents.\"""
            return 6 * scale + plus


        result = lambda scale: doubled(area(scale, plus=2))
        """,
    ),
    "imports come first, sorted, and only those that are needed": Case(
        imported,
        replace(BOX, sides=(4,)),
        """
        from collections import OrderedDict, deque
        from math import sqrt

        result = OrderedDict(root=sqrt(4), count=len(deque()))
        """,
    ),
    "a call that became too long has one argument a line": Case(
        lengthy,
        BOX,
        """
        from collections import OrderedDict

        result = OrderedDict(
            first="first of all, a box, which is a box",
            second="second of all, a box, which is a box",
            third=[
                OrderedDict(
                    a=name,
                    first="first of all, a box, which is a box",
                    second="second of all, a box, which is a box",
                    length=len(name),
                )
                for name in "x"
            ],
            fourth=4,
        )
        """,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_specialises(case: Case) -> None:
    code = specialise(case.function, {"box": case.box}, "result")
    compile(code, "<test>", "exec")
    assert code == textwrap.dedent(case.code).strip() + "\n"


NOT_TO_COPY = {
    "an argument itself": (needing, "code that runs later needs 'box'; give it plain numbers and texts instead"),
    "a part of an f-string": (in_text, "code that runs later needs 'box'"),
    "a helper that is not the same everywhere": (ambiguous, "area is given more than one box; give it plain values"),
    "an early return": (early, "early needs to return once, at its end"),
}


@pytest.mark.parametrize(("function", "message"), NOT_TO_COPY.values(), ids=NOT_TO_COPY.keys())
def test_refuses_what_could_not_run(function: Callable[[Box], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        specialise(function, {"box": BOX})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (-1.5, "-1.5"),
        (math.inf, None),
        ('say "yes"\n', r'"say \"yes\"\n"'),
        ((1,), "(1,)"),
        ([], "[]"),
        ({"kh": (2, None)}, '{"kh": (2, None)}'),
        ((..., slice(None, None, 2)), "(..., slice(None, None, 2))"),
        (BOX, None),
        ([1, (BOX,)], None),
    ],
)
def test_plain_values_have_a_literal(value: object, text: str | None) -> None:
    assert literal(value) == text
    assert text is None or eval(text) == value
