"""What is found is the map by which one side was made of the other."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from convcheck.config.parse_source import parse_source
from convcheck.config.sources import Source
from convcheck.rewriting.source_moves import SourceReader
from convcheck.sizes.patterns import Shape
from convcheck.solving.axes import NOWHERE
from convcheck.solving.program import function, program
from convcheck.solving.search import Answer, search
from convcheck.solving.words import Writer
from tests.solving.modules import Mapped, Plain, case_of
from tests.strategies.sources import HAS, sources

AXES = ("o", "i", "kh", "kw")


def is_solved(shapes: dict[str, Shape], source: Source, wanted: Shape, bend: Any = None) -> None:
    """Check that the map of a Linear on what a source makes is found: it makes the same of random numbers."""
    reference, candidate = Mapped(shapes, source, wanted, bend), Plain(wanted, bend)
    answer = search(case_of(reference, candidate, f"5,{wanted[1]}"))
    assert answer.origins is not None, (str(source), answer.reason)
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    made = function(program(answer.origins))(state)["weight"].double()
    wanted_weight = SourceReader(shapes, {}).move(source, "weight", wanted).forward(state)
    torch.testing.assert_close(made, wanted_weight, rtol=1e-12, atol=1e-12)


@settings(max_examples=8)
@given(
    source=st.sampled_from([(2, 3), (3, 2), (4, 3)]).flatmap(lambda shape: st.tuples(sources(shape, 2), st.just(shape)))
)
def test_a_source_of_any_kind_is_found(source: tuple[Source, Shape]) -> None:
    is_solved(HAS, source[0], source[1])


MERGED = {
    "a product of two layers": ("einsum('o m, m i -> o i', b, a)", {"a": (3, 4), "b": (2, 3)}, (2, 4)),
    "a product beside a tensor": (
        "w + einsum('o r, r i -> o i', b, a) * 2",
        {"a": (2, 4), "b": (3, 2), "w": (3, 4)},
        (3, 4),
    ),
    "a scaled one": ("w * 0.5", {"w": (3, 4)}, (3, 4)),
    "repeats": ("w: o i -> (o r) i, r=2", {"w": (2, 3)}, (4, 3)),
    "parts in another order": ("[w: o i -> o i | part o 2 2; w: o i -> o i | part o 1 2]", {"w": (4, 3)}, (4, 3)),
    "parts of heads": (
        "w: (h two o) i -> h two o i, two=2, o=2 | part two 2 2 | h two o i -> (h two o) i",
        {"w": (8, 3)},
        (4, 3),
    ),
    "zeros between": ("w: o i -> o i | dilate i 2 | pad i 1 0", {"w": (2, 3)}, (2, 6)),
    "blocks": ("w: o i -> o i | blocks i 2", {"w": (4, 3)}, (4, 6)),
    "zeros among tensors": ("[q; 0; v]", {"q": (2, 3), "v": (2, 3)}, (6, 3)),
    "less one": ("w + 1 * -1", {"w": (2, 3)}, (2, 3)),
}


@pytest.mark.parametrize(("text", "shapes", "wanted"), MERGED.values(), ids=MERGED)
def test_merges_are_found_behind_an_activation(text: str, shapes: dict[str, Shape], wanted: Shape) -> None:
    is_solved(shapes, parse_source(text), wanted, functional.gelu)


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[Source, Shape]:
    """Draw a source in one tensor: padded and cut, flipped, its axes in another order and in groups; and its shape."""
    shape = tuple(draw(st.integers(2, 3)) for _ in AXES)
    steps = [f"flip {axis}" for axis in AXES if draw(st.booleans())]
    pads = [
        f"pad {axis} {draw(st.integers(0, 2))} {draw(st.integers(0, 2))}" for axis in AXES[2:] if draw(st.booleans())
    ]
    order = draw(st.permutations(AXES))
    cuts = sorted(draw(st.sets(st.integers(1, 3))))
    groups = [order[start:stop] for start, stop in zip([0, *cuts], [*cuts, 4], strict=True)]
    target = " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)
    plain = " ".join(AXES)
    text = " | ".join([f"w: {plain} -> {plain}", *steps, *pads, f"{plain} -> {target}"])
    return parse_source(text), shape


@given(drawn=laid_out())
def test_words_are_found_for_entries_that_move(drawn: tuple[Source, Shape]) -> None:
    source, shape = drawn
    has = {"other": (3,), "w": shape}
    labels = {"other": torch.zeros(3), "w": torch.arange(1.0, 1 + math.prod(shape)).reshape(shape)}
    wanted = source.shape(has, {}, None)
    made = SourceReader(has, {}).move(source, "", wanted).forward(labels).long()
    index = torch.where(made > 0, made + 2, NOWHERE)
    writer = Writer(has, {})
    found = writer.source(index)
    assert found is not None, str(source)
    assert writer.makes(found, index)


def hidden(first: nn.Module, second: nn.Module) -> nn.Sequential:
    return nn.Sequential(first, nn.GELU(), second)


class Gates(nn.Module):
    """Two biases that are added, and each of which is needed alone, too."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.names = (first, second)
        # Registered by name, whatever part they play.
        for name in sorted(self.names):
            self.register_parameter(name, nn.Parameter(torch.zeros(6)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = (getattr(self, name) for name in self.names)
        return torch.cat([x + a[:4] + b[:4], x[:, :2] * a[4:] + torch.tanh(b[4:])], 1)


class Added(Gates):
    """Two biases that are added, and nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = x + getattr(self, self.names[0])[:4] + getattr(self, self.names[1])[:4]
        return made


def texts(answer: Answer) -> dict[str, str]:
    assert answer.origins is not None, answer.reason
    return {name: origin.text for name, origin in answer.origins.items()}


def test_what_is_added_follows_what_tells_them_apart() -> None:
    answer = search(case_of(Gates("a", "b"), Gates("y", "x"), "3,4"))
    assert texts(answer) == {"y": "a", "x": "b"}
    assert answer.exchangeable == ()


def test_what_is_added_alone_can_be_exchanged() -> None:
    answer = search(case_of(Added("b", "c"), Added("a", "b"), "3,4"))
    assert texts(answer) == {"b": "b", "a": "c"}
    assert "a and b can be exchanged" in answer.exchangeable


def test_hidden_units_keep_their_order() -> None:
    case = case_of(hidden(nn.Linear(3, 5), nn.Linear(5, 2)), hidden(nn.Linear(3, 5), nn.Linear(5, 2)), "4,3")
    answer = search(case)
    assert texts(answer) == {name: name for name in ("0.weight", "0.bias", "2.weight", "2.bias")}
    assert answer.exchangeable == ()
