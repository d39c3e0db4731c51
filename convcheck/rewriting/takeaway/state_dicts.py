"""How weights move, as functions from the old state dict to the new one, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce

from convcheck.rewriting.takeaway.lines import Line, lines_of
from convcheck.rewriting.transplant import Merge, Move, Transplant

IMPORTS = {
    "Tensor": ("torch", "Tensor"),
    "block_diagonal": ("convcheck.rewriting.zeros", "block_diagonal"),
    "functional": ("torch.nn", "functional"),
    "rearrange": ("einops", "rearrange"),
    "repeat": ("einops", "repeat"),
    "torch": (None, "torch"),
    "zeros_between": ("convcheck.modules.parts", "zeros_between"),
}
"""Where the names come from that the functions take."""


def convert(transplant: Transplant, docstring: str) -> str:
    """Return the function `convert`, which makes the candidate's state dict from the reference's."""
    entries: dict[str, str] = {}
    statements: list[str] = []
    for move in transplant.moves:
        if isinstance(move, Merge):
            name, sources = move.target.rpartition(".")[2], (f'old["{source}"]' for source in move.sources)
            statements.append(f"{name} = {move.compute.__name__}({', '.join(sources)})")
            entries[move.target] = f"{name}.to({_entry(move.sources[0])}.dtype)"
        else:
            assert isinstance(move, Move)
            entries[move.target] = reduce(lambda text, line: line.there(text), lines_of(move), _entry(move.source))
    widened = [
        "# In float64, so that what is merged is rounded once.",
        "old = {name: tensor.double() for name, tensor in state_dict.items()}",
    ]
    return _function("convert", docstring, [*widened, *statements] if statements else [], entries)


def convert_back(transplant: Transplant, docstring: str) -> str:
    """Return the function `convert_back`, the way back of a transplant that is one-to-one."""
    by_source: dict[str, list[Move]] = defaultdict(list)
    for move in transplant.moves:
        assert isinstance(move, Move)
        by_source[move.source].append(move)
    return _function("convert_back", docstring, [], {source: _whole(moves) for source, moves in by_source.items()})


def _whole(moves: list[Move]) -> str:
    """Return the tensor that moves take, as what they made of it or of its parts."""
    cuts = [next((n for n, line in enumerate(lines_of(move)) if line.part_along is not None), None) for move in moves]
    lines, cut = lines_of(moves[0]), cuts[0]
    if cut is None:
        return _undone(lines, _entry(moves[0].target))
    parts = [
        _undone(lines_of(move)[after + 1 :], _entry(move.target))
        for move, after in zip(moves, cuts, strict=True)
        if after is not None
    ]
    axis = f", {lines[cut].part_along}" if lines[cut].part_along else ""
    return _undone(lines[:cut], f"torch.cat([{', '.join(parts)}]{axis})")


def _undone(lines: Iterable[Line], text: str) -> str:
    for line in reversed(list(lines)):
        assert line.back is not None
        text = line.back(text)
    return text


def _entry(name: str) -> str:
    return f'state_dict["{name}"]'


def _function(name: str, docstring: str, statements: list[str], entries: dict[str, str]) -> str:
    body = [f'"""{docstring}"""', *statements, "return {", *(f'"{key}": {text},' for key, text in entries.items()), "}"]
    head = f"def {name}(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:"
    return "\n".join([head, *(f"    {line}" for line in body)]) + "\n"
