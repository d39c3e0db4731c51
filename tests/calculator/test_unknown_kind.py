"""Of a kind that says nothing of itself, every question is refused, and nothing is taken for a convolution's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from convcheck.calculator.counts import alone
from convcheck.calculator.questions.changes import changes_for
from convcheck.calculator.questions.inputs import inputs_for
from convcheck.calculator.questions.same import same_for
from convcheck.calculator.questions.transposed_sizes import sizes_for
from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.errors import UsageError
from convcheck.layers import Layer, Roundings
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class Mute(Layer):
    """A layer with a weight that says what it has to, and no more."""

    def __str__(self) -> str:
        return "Mute2d()"

    def label(self) -> str:
        return "mute2d"

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (4, 3), "scale": (4,)}

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, *_shapes: Shape) -> int:
        return 0

    def example_inputs(self) -> Shapes:
        return ((2, 3, 4, 5),)

    def roundings(self) -> Roundings:
        return Roundings()


MUTE, SHAPE = Mute("Mute2d"), (2, 3, 4, 5)

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "inputs": (lambda: inputs_for([MUTE], SHAPE), "Mute2d cannot be asked backwards"),
    "changes": (lambda: changes_for([MUTE], SHAPE, (2, 3, 4, 6)), "Mute2d cannot be asked backwards"),
    "same": (lambda: same_for([MUTE], SHAPE), "--same is about one convolution or pool, and not about Mute2d"),
    "sizes": (lambda: sizes_for([MUTE], SHAPE), "--sizes is about transposed layers"),
}


@pytest.mark.parametrize(("ask", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_kind_does_not_say_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask()


def test_how_torch_fills_its_parameters_is_left_open() -> None:
    [weights] = alone([MUTE], [None])
    assert weights.parameters.reference is not None
    assert [(each.name, each.init, each.bound) for each in weights.parameters.reference] == [
        ("weight", None, None),
        ("scale", None, None),
    ]


def test_no_position_is_called_unread() -> None:
    assert unread_inputs(MUTE, SHAPE) == ()


def test_the_axes_of_its_parameters_are_counted() -> None:
    assert MUTE.parameter_axes("weight") == (("a0",), ("a1",))
