"""How arguments are written out in code to copy, which is printed whole."""

from __future__ import annotations

import ast
import io
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rich.console import Console
from torch import Tensor

from convcheck.catalogue.applicability import facts
from convcheck.cli.console import show
from convcheck.report.plain_console import UNLIMITED
from convcheck.report.tables.rewrite_table import rewrite_page
from convcheck.rewriting.specialise.source import specialise
from convcheck.rewriting.specialise.syntax import literal
from tests.laws.test_laws import NAMES


@pytest.mark.parametrize("width", [40, 80, 120, UNLIMITED])
@pytest.mark.parametrize("terminal", [True, False])
def test_code_is_printed_whole_at_every_width(width: int, terminal: bool) -> None:
    for name in NAMES:
        out = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, markup=False)
        described = facts(name)
        show(out, rewrite_page(described))
        assert isinstance(out.file, io.StringIO)
        assert out.file.getvalue().endswith(f"the example as code to copy:\n\n{described.code}")


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


def unfolding(box: Box) -> object:
    from convcheck.modules.parts import crop, pad, windows

    def use(x: Tensor) -> Tensor:
        padded = pad(x if x.dim() else x[None], [(side, 0) for side in box.sides])
        # A dilation takes a step of its own.
        y = windows(padded, box.sides, (1,) * box.dims, (2,) * box.dims)
        y = pad(y, [(0, 0)])
        # What is not known is called.
        y = pad(y, [(y.dim(), 0)])
        return crop(y + y, (1,) * y.dim())

    def other(x: Tensor) -> Tensor:
        # This is above what is returned.
        return pad(x, [(1, 1)])

    return use, other


def verbose(box: Box) -> object:
    from torch import nn

    options = {"in_channels": 3, "out_channels": 4, "kernel_size": box.sides, "dilation": (1, 1), "bias": True}
    padding = {**options, "padding": (1, 1), "padding_mode": "reflect"}

    def use(x: Tensor, *others: Tensor) -> Tensor:
        y, z = others
        if box.lid:
            return nn.Conv2d(**padding)(x) + nn.Linear(3, 4, box.lid)(y) * z  # type: ignore[arg-type,no-any-return]
        result: Tensor = x + y
        return result

    def unused(*others: Tensor) -> object:  # noqa: ARG001  # that is what is left out
        return nn.Conv2d(4, 4, (2, 2), 1, (0, 0)), nn.ReLU(box.lid)

    return use, unused


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
        word = "an open box of 1 dimensions, without a lid, or with one that is lost"


        def fill(level: int) -> object:
            # How much of it there is, which is worth a name.
            amount = 5
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
    "functions of ours are unfolded where they only change their first argument": Case(
        unfolding,
        BOX,
        """
        from collections.abc import Sequence

        from torch import Tensor
        from torch.nn import functional


        def pad(x: Tensor, pads: Sequence[tuple[int, int]], mode: str = "zeros") -> Tensor:
            \"""Pad the last axes as a convolution with this `padding_mode` does; one (before, after) for each of them.

            Every mode of torch pads its one to three last axes of a batched input, or of an unbatched one.
            \"""
            widths = tuple((width for axis in reversed(pads) for width in axis))
            if not any(widths):
                return x
            if mode == "zeros":
                return functional.pad(x, widths)
            return functional.pad(x, widths, mode=mode)


        def crop(x: Tensor, multiple: Sequence[int]) -> Tensor:
            \"""Drop the trailing positions that a convolution with this stride and kernel never reads.

            Of each of the last axes the largest multiple of its entry in `multiple` remains. A convolution drops
            the rest silently; space-to-depth does not.
            \"""
            for axis, step in enumerate(multiple, start=-len(multiple)):
                if step > 1:
                    x = x.narrow(axis, 0, x.shape[axis] // step * step)
            return x


        def use(x: Tensor) -> Tensor:
            padded = functional.pad(x if x.dim() else x[None], (3, 0, 2, 0))
            # A dilation takes a step of its own.
            y = padded.unfold(-2, 3, 1)
            y = y[..., ::2]
            y = y.unfold(-2, 5, 1)
            y = y[..., ::2]
            # What is not known is called.
            y = pad(y, [(y.dim(), 0)])
            return crop(y + y, (1,) * y.dim())


        def other(x: Tensor) -> Tensor:
            # This is above what is returned.
            return functional.pad(x, (1, 1))


        candidate = (use, other)
        """,
    ),
    "layers go without torch's defaults, and arguments have names": Case(
        verbose,
        BOX,
        """
        from torch import Tensor, nn


        def use(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
            return nn.Conv2d(3, 4, kernel_size=(2, 3), padding=1, padding_mode="reflect")(x) + nn.Linear(3, 4)(y) * z


        def unused() -> object:
            return (nn.Conv2d(4, 4, 2), nn.ReLU(True))


        candidate = (use, unused)
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
    code = str(specialise(case.function, {"box": case.box}))
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
