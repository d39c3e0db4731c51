"""A wrong layout of the weights, and the right one: found by signatures, and proved before it is suggested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convcheck.errors import PatternError
from convcheck.layers import ConvTranspose, Layer
from convcheck.proof.evidence import integer_probes
from convcheck.proof.evidence.arrangements import arrange
from convcheck.proof.evidence.pair import CannotRunError, Pair
from convcheck.proof.evidence.signatures import agrees, signatures
from convcheck.results import Agreement
from convcheck.rewriting.steps import EinopsStep
from convcheck.rewriting.transplant import Merge, Move, Transplant
from convcheck.sizes.patterns import KERNEL_AXES, Group, Pattern, Shape


@dataclass(frozen=True)
class Correction:
    """How a parameter of the reference was laid out, and how it would have to be."""

    source: str
    claimed: str
    right: str

    def __str__(self) -> str:
        return f"{self.source} was laid out as '{self.claimed}', and '{self.right}' matches exactly"


def corrections(pair: Pair, usual: Transplant, seed: int) -> tuple[Correction, ...]:
    """Return what would have to change in a pair's transplant for both sides to be identical; empty if that is not it.

    `usual` is the catalogue's transplant, whose words are taken where it is right.
    """
    try:
        for mended in _mended(pair, usual, seed):
            changed = [
                Correction(old.sources[0], str(old), str(new))
                for old, new in zip(pair.transplant.moves, mended.moves, strict=True)
                if str(old) != str(new)
            ]
            if changed and _proved(replace(pair, transplant=mended), seed):
                return tuple(changed)
    except (CannotRunError, PatternError):
        # A candidate that does not even run shows nothing.
        pass
    return ()


def _mended(pair: Pair, usual: Transplant, seed: int) -> Iterator[Transplant]:
    found = signatures(pair, seed)
    if found is not None:
        known = {move.target: move for move in usual.moves}
        moves: list[Move | Merge] = []
        for move in pair.transplant.moves:
            own, other = found.reference.get(move.sources[0]), found.candidate.get(move.target)
            if isinstance(move, Move) and own is not None and other is not None:
                moves.append(_right(pair.layer, move, known.get(move.target), own, other) or move)
            else:
                moves.append(move)
        yield Transplant(tuple(moves))
    if len(usual.moves) == len(pair.transplant.moves):
        yield usual


def _right(layer: Layer, claimed: Move, usual: Move | Merge | None, own: Tensor, other: Tensor) -> Move | None:
    """Return the move that takes a parameter to its place, or None if it is no order of axes."""
    for move in (claimed, usual):
        if isinstance(move, Move) and agrees(move, own, other):
            return move
    for source in _spellings(layer, claimed, usual):
        kernel = {axis: length for axis, length in layer.axis_sizes().items() if axis != "g"}
        own_sizes = _sizes(source, claimed.shape, layer)
        steps = arrange(source, {**kernel, **own_sizes}, own, other)
        if steps is not None:
            return replace(claimed, steps=steps)
    return None


def _spellings(layer: Layer, *moves: Move | Merge | None) -> Iterator[Sequence[Group]]:
    """Yield how the axes of a parameter may be called: as in the moves, as everywhere, or just numbered."""
    shape: Shape = ()
    for move in moves:
        if isinstance(move, Move):
            shape = move.shape
            yield from (step.pattern.source for step in move.steps[:1] if isinstance(step, EinopsStep))
    groups = layer.axis_sizes().get("g", 1)
    kernel = tuple((axis,) for axis in KERNEL_AXES[layer.dims])
    if len(shape) == 1:
        yield (("o",),)
    elif len(shape) == len(kernel) + 2:
        outer, inner = ("i", "o") if isinstance(layer, ConvTranspose) else ("o", "i")
        yield ((("g", outer) if groups > 1 else (outer,)), (inner,), *kernel)
    yield tuple((f"a{number}",) for number in range(len(shape)))


def _sizes(source: Sequence[Group], shape: Shape, layer: Layer) -> dict[str, int]:
    return Pattern(tuple(source), tuple(source)).sizes(shape, layer.axis_sizes())


def _proved(pair: Pair, seed: int) -> bool:
    said = integer_probes.examine(pair, seed)
    return said.exact.status is Agreement.IDENTICAL and said.gradients.status is not Agreement.DIFFERENT
