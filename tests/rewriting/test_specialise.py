"""Code that is printed to be copied runs as it is, and is the rewrite; how arguments are written out."""

from __future__ import annotations

import ast
import inspect
import io
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

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
from convcheck.report.plain_console import UNLIMITED
from convcheck.report.tables.rewrite_table import explained
from convcheck.rewriting.specialise.source import specialise
from convcheck.rewriting.specialise.syntax import literal
from convcheck.sides import samples
from convcheck.sides.side import side_of_layer
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
        at = samples.integers(side_of_layer(layer, shapes, reference), MAGNITUDE, generator).mapped(torch.Tensor.detach)
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
    shapes = rewrite.example_inputs or layer.example_inputs()
    assert facts(name).code == rewrite.code(layer, shapes)
    check(name, layer, shapes)


@pytest.mark.kernels
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
        show(out, explained(described))
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
UNIT = 2**3


def written_out(box: Box) -> object:
    volume = math.prod(box.sides)
    # How much of it there is, which is worth a name.
    amount = volume + 1
    # This explains a name that nothing uses any more.
    lid = "with a lid" if box.lid else "without a lid, or with one that is lost"
    word = f"{box.label} of {box.dims} dimensions, {lid}"

    def fill(level: int) -> object:
        # Comments stay.
        below: int = level**-box.dims
        return [below * (volume - 1), (-box.dims) ** level, amount, word]

    return fill


def rebound(box: Box) -> object:
    side = box.sides[0]

    def inner(other: int) -> object:
        total = side
        total += other
        return total, [side + other for side in range(total)]

    return inner, [other + 1 for other in box.sides]


def chosen(box: Box) -> object:
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
            if height > 9:
                height = 9
            elif height < 0:
                height = 0
            else:
                height = height - 1
            return height if self.lid is None else height * self.lid

    return Lidded


def spliced(box: Box) -> object:
    sides: list[int] = [side + 1 for side in box.sides]
    options = {"sep": box.label, "end": "."}
    every = (*(slice(None, None, step) for step in box.sides), ...)

    def use(grid: dict[object, int], row: list[int]) -> object:
        print(*sides, *row, **options)
        return grid[every], row[-box.dims : box.sides[0]], row[: -box.dims]

    return use


def doubled(value: int) -> int:
    """Return what this documents."""
    from math import ceil

    return 2 * ceil(value) + UNIT


def helped(box: Box) -> object:
    side = box.sides[0]
    return lambda scale: doubled(side * scale)


def imported(box: Box) -> object:
    import fractions
    from collections import OrderedDict as Ordered
    from collections import deque
    from math import sqrt

    root = {1: sqrt, 2: fractions.Decimal}[box.dims]
    count = getattr(fractions, box.label.title())
    ordered: object = Ordered(root=root(box.sides[0]), count=count(len(deque())))
    return ordered


def lengthy(box: Box) -> object:
    from collections import OrderedDict

    texts = {name: f"{name} of all, {box.label}, which is a box" for name in ("first", "second")}
    return OrderedDict(
        **texts,
        # This explains what is below.
        third=[OrderedDict(a=name, **texts, length=len(name)) for name in "x"],
        fourth=4,
    )


@dataclass(frozen=True)
class Case:
    """A function, what it is given, and the source that shall come out."""

    function: Callable[[Box], object]
    box: Box
    code: str


CASES = {
    "values are written out, a long or explained one by name": Case(
        written_out,
        OPEN,
        """
        # How much of it there is, which is worth a name.
        amount = 5
        word = "an open box of 1 dimensions, without a lid, or with one that is lost"


        def fill(level: int) -> object:
            # Comments stay.
            below = level ** (-1)
            return [below * 3, (-1) ** level, amount, word]


        candidate = fill
        """,
    ),
    "names that are bound more than once are left alone": Case(
        rebound,
        BOX,
        """
        side = 2


        def inner(other: int) -> object:
            total = side
            total += other
            return (total, [side + other for side in range(total)])


        candidate = (inner, [3, 4])
        """,
    ),
    "what holds is chosen, and what is None or not where it is asked for": Case(
        chosen,
        BOX,
        """
        class Lidded:
            def __init__(self, start: int) -> None:
                self.lid = start + 1

            def close(self, height: int) -> int:
                # Flat boxes are not closed.
                height = height + 2
                height = height * 2
                if height > 9:
                    height = 9
                elif height < 0:
                    height = 0
                else:
                    height = height - 1
                return height * self.lid


        candidate = Lidded
        """,
    ),
    "what does not hold is not": Case(
        chosen,
        OPEN,
        """
        class Lidded:
            def __init__(self, start: int) -> None:
                self.lid = None

            def close(self, height: int) -> int:
                height = height - 1
                if height > 9:
                    height = 9
                elif height < 0:
                    height = 0
                else:
                    height = height - 1
                return height


        candidate = Lidded
        """,
    ),
    "arguments are spliced in and slices written as such": Case(
        spliced,
        BOX,
        """
        def use(grid: dict[object, int], row: list[int]) -> object:
            print(3, 4, *row, sep="a box", end=".")
            return (grid[::2, ::3, ...], row[-2:2], row[:-2])


        candidate = use
        """,
    ),
    "functions and constants of the file come along": Case(
        helped,
        BOX,
        """
        from math import ceil

        UNIT = 2 ** 3


        def doubled(value: int) -> int:
            \"""Return what this documents.\"""
            return 2 * ceil(value) + UNIT


        candidate = lambda scale: doubled(2 * scale)
        """,
    ),
    "imports come first, sorted, and only those that are needed": Case(
        imported,
        Box((4,), "fraction"),
        """
        import fractions
        from collections import OrderedDict, deque
        from math import sqrt

        candidate = OrderedDict(root=sqrt(4), count=fractions.Fraction(len(deque())))
        """,
    ),
    "a long call has one argument a line, and so has one with comments": Case(
        lengthy,
        BOX,
        """
        from collections import OrderedDict

        candidate = OrderedDict(
            first="first of all, a box, which is a box",
            second="second of all, a box, which is a box",
            # This explains what is below.
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
    code = specialise(case.function, {"box": case.box})
    compile(code, "<test>", "exec")
    assert code == textwrap.dedent(case.code).strip() + "\n"


def needing(box: Box) -> object:
    return lambda other: box == other


def silent(box: Box) -> None:
    print(box.label)


NOT_TO_COPY = {
    "an argument itself": (needing, "code that runs later needs 'box'"),
    "nothing": (silent, "what is built has to be returned at the end"),
}


@pytest.mark.parametrize(("function", "message"), NOT_TO_COPY.values(), ids=NOT_TO_COPY.keys())
def test_refuses_what_could_not_run(function: Callable[[Box], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        specialise(function, {"box": BOX})


@pytest.mark.parametrize("value", [True, -1.5, 'say "yes"\n', (1,), [], {"kh": (2, None)}])
def test_plain_values_have_a_literal(value: object) -> None:
    written = literal(value)
    assert written
    assert ast.literal_eval(written) == value


@pytest.mark.parametrize("value", [math.inf, BOX, [1, (BOX,)], range(2)])
def test_other_values_have_none(value: object) -> None:
    assert literal(value) is None
