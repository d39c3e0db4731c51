"""What is wrong with a pair that differs: a wrong layout of the weights and the right one, or how outputs differ.

A layout is found by signatures, and proved before it is suggested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convcheck.errors import PatternError
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import integer_probes
from convcheck.proof.evidence.arrangements import arrange
from convcheck.proof.evidence.differences import describe_differences
from convcheck.proof.evidence.probes import draw_probe, make_plan
from convcheck.proof.evidence.signatures import agrees, signatures
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind
from convcheck.rewriting.steps import EinopsStep
from convcheck.rewriting.transplant import Merge, Move, Transplant
from convcheck.sides.side import CannotRunError, Side
from convcheck.sizes.patterns import Group, Pattern


@dataclass(frozen=True)
class Correction:
    """How a parameter of the reference was laid out, and how it would have to be."""

    source: str
    claimed: str
    right: str

    def __str__(self) -> str:
        return f"{self.source} was laid out as '{self.claimed}', and '{self.right}' matches exactly"


def examine(context: Context) -> Evidence:
    """Say what is wrong where weights do not fit, or outputs differ on integers; nothing where neither is so."""
    pair, result, seed = context.pair, context.result, context.case.seed
    misfit = any(reason.kind is Kind.WEIGHT_SHAPES for reason in result.reasons)
    if not misfit and result.exact.status is not Agreement.DIFFERENT:
        return Evidence(Agreement.NOT_APPLICABLE)
    if mended := corrections(pair, context.claim.usual_transplant(), seed):
        findings = tuple(Finding(Kind.LAYOUT, str(correction)) for correction in mended)
        return Evidence(Agreement.DIFFERENT, findings, details={"suggestion": mended[0].right})
    # What mends it would be all that a reader needs; without that, what can be seen.
    texts = () if misfit else visible_differences(pair, seed, result.exact.probes)
    return Evidence(Agreement.DIFFERENT, tuple(Finding(Kind.DIFFERENCE, text) for text in texts))


def visible_differences(pair: Pair, seed: int, probes: int) -> tuple[str, ...]:
    """Return how the outputs differ on the last of so many probes."""
    degree = pair.reference.degree
    assert degree is not None
    probe = draw_probe(pair, make_plan(pair, degree), seed, probes - 1)
    reference, candidate = probe.outputs()
    if reference.shape != candidate.shape:
        return ()
    parameters = {name: tensor.detach() for name, tensor in probe.sample.parameters.items()}
    return tuple(describe_differences(pair.reference, parameters, reference, candidate))


def corrections(pair: Pair, usual: Transplant, seed: int) -> tuple[Correction, ...]:
    """Return what would have to change in a pair's mapping for both sides to be identical; empty if that is not it.

    `usual` is the catalogue's mapping, whose words are taken where it is right.
    """
    try:
        for mended in _mended(pair, usual, seed):
            changed = [
                Correction(before.sources[0], str(before), str(after))
                for before, after in zip(pair.mapping.moves, mended.moves, strict=True)
                if str(before) != str(after)
            ]
            if changed and _is_proved(replace(pair, mapping=mended), seed):
                return tuple(changed)
    except (CannotRunError, PatternError):
        # A candidate that does not even run shows nothing.
        pass
    return ()


def _mended(pair: Pair, usual: Transplant, seed: int) -> Iterator[Transplant]:
    """Yield mappings that may be the right one: as signatures tell, and the usual one."""
    hashes = signatures(pair, seed)
    if hashes is not None:
        usual_moves = {move.target: move for move in usual.moves}
        moves: list[Move | Merge] = []
        for move in pair.mapping.moves:
            ours, theirs = hashes.reference.get(move.sources[0]), hashes.candidate.get(move.target)
            if isinstance(move, Move) and ours is not None and theirs is not None:
                moves.append(_matching_move(pair.reference, move, usual_moves.get(move.target), ours, theirs) or move)
            else:
                moves.append(move)
        yield Transplant(tuple(moves))
    if len(usual.moves) == len(pair.mapping.moves):
        yield usual


def _matching_move(side: Side, claimed: Move, usual: Move | Merge | None, ours: Tensor, theirs: Tensor) -> Move | None:
    """Return the move that takes a parameter to its place, or None if it is no order of axes."""
    for move in (claimed, usual):
        if isinstance(move, Move) and agrees(move, ours, theirs):
            return move
    for source in _spellings(side, claimed, usual):
        kernel = {axis: length for axis, length in side.axis_sizes.items() if axis != "g"}
        lengths = Pattern(tuple(source), tuple(source)).sizes(claimed.shape, side.axis_sizes)
        steps = arrange(source, {**kernel, **lengths}, ours, theirs)
        if steps is not None:
            return replace(claimed, steps=steps)
    return None


def _spellings(side: Side, claimed: Move, usual: Move | Merge | None) -> Iterator[Sequence[Group]]:
    """Yield how the axes of a parameter may be called: as in the moves, as everywhere, or just numbered."""
    for move in (claimed, usual):
        if isinstance(move, Move):
            yield from (step.pattern.source for step in move.steps[:1] if isinstance(step, EinopsStep))
    if claimed.source in side.parameter_axes:
        yield side.parameter_axes[claimed.source]
    yield tuple((f"a{number}",) for number in range(len(claimed.shape)))


def _is_proved(pair: Pair, seed: int) -> bool:
    evidence = integer_probes.probe(pair, seed)
    return evidence.status is Agreement.IDENTICAL and not evidence.findings
