"""The code of a move makes what the move makes, and its way back undoes it."""

from __future__ import annotations

from functools import reduce

import einops
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from convcheck.config.parse_source import parse_source
from convcheck.modules.parts import zeros_between
from convcheck.rewriting.source_moves import SourceReader
from convcheck.rewriting.takeaway.lines import lines_of
from convcheck.rewriting.transplant import Move
from convcheck.rewriting.zeros import block_diagonal

NAMES = {
    "block_diagonal": block_diagonal,
    "functional": functional,
    "rearrange": einops.rearrange,
    "repeat": einops.repeat,
    "zeros_between": zeros_between,
}
LENGTHS = {"o1": 2, "o2": 4, "o3": 6, "i": 2}
AXES = tuple(LENGTHS)


@st.composite
def moves(draw: st.DrawFn) -> Move:
    """Draw a move of a weight whose first axis is split, has parts taken and entries moved or added, and is joined."""
    lengths, steps = dict(LENGTHS), []
    for _ in range(draw(st.integers(0, 4))):
        axis = draw(st.sampled_from(AXES))
        length = lengths[axis]
        choices = {f"flip {axis}": length, f"pad {axis} 1 2": length + 3, f"dilate {axis} 2": 2 * length - 1}
        choices |= {f"slice {axis} 1 {length}": length - 1} if length > 1 else {}
        choices |= {f"part {axis} 2 2": length // 2} if length % 2 == 0 else {}
        step = draw(st.sampled_from(list(choices)))
        steps.append(step)
        lengths[axis] = choices[step]
    order = draw(st.permutations(AXES))
    cut = draw(st.integers(1, 3))
    split = f"w: (o1 o2 o3) i -> o1 o2 o3 i, o2={LENGTHS['o2']}, o3={LENGTHS['o3']}"
    text = " | ".join([split, *steps, f"{' '.join(AXES)} -> ({' '.join(order[:cut])}) ({' '.join(order[cut:])})"])
    source = parse_source(text)
    shapes = {"w": (48, LENGTHS["i"])}
    move = SourceReader(shapes, {}).move(source, "new", source.shape(shapes, {}, None))
    assert isinstance(move, Move), text
    return move


def run(text: str, tensor: Tensor) -> Tensor:
    result: Tensor = eval(text, dict(NAMES), {"w": tensor})
    return result


@given(move=moves())
def test_the_code_makes_what_the_move_makes(move: Move) -> None:
    weight = torch.arange(1.0, 97.0).reshape(48, 2)
    text = reduce(lambda code, line: line.there(code), lines_of(move), "w")
    assert torch.equal(run(text, weight), move.forward({"w": weight})), text


@given(move=moves())
def test_the_way_back_undoes_it_where_there_is_one(move: Move) -> None:
    lines = lines_of(move)
    if any(line.back is None for line in lines):
        return
    weight = torch.arange(1.0, 97.0).reshape(48, 2)
    text = reduce(lambda code, line: line.back(code), reversed(lines), "w")  # type: ignore[misc]
    assert torch.equal(run(text, move.forward({"w": weight})), weight), text
