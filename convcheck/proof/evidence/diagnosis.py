"""Says what is wrong with a pair that differs: which layout of the weights would match, or how the outputs differ.

Signatures suggest a layout; integer probes prove it before it is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from convcheck.config.case import Case
from convcheck.errors import CannotRunError, PatternError
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence.agreement import agree
from convcheck.proof.evidence.differences import describe_differences
from convcheck.proof.evidence.probes import draw_probe, make_plan
from convcheck.proof.evidence.reads import describe_reads
from convcheck.proof.evidence.reorderings import remapped, reorderings, spellings
from convcheck.proof.evidence.signatures import agrees, signatures
from convcheck.proof.evidence.whole_batch import draw_whole
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind
from convcheck.rewriting.arrangements import arrange
from convcheck.rewriting.joined import Joined, source_shapes, write_source
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Pattern


@dataclass(frozen=True)
class Correction:
    """The layout that was claimed for a parameter of the reference, and the one that matches.

    Where a parameter of the candidate was made of the wrong ones, these are sources, and `source` is empty.
    """

    source: str
    claimed: str
    matching: str
    how: str = "exactly"
    target: str = field(default="", compare=False)
    """The candidate's parameter that is made of it."""

    def __str__(self) -> str:
        what = f"{self.source} was laid out as" if self.source else f"{self.target} was made of"
        return f"{what} '{self.claimed}', and '{self.matching}' matches {self.how}"

    @property
    def matching_source(self) -> str:
        """The source that matches, as a map gives it."""
        return f"{self.source}: {self.matching}" if self.source else self.matching


def examine(context: Context) -> Evidence:
    """Say what is wrong where weights do not fit, or outputs differ; otherwise return no findings.

    Outputs differ on integers, or in float64 where a user laid out weights of a side that integers cannot probe.
    """
    pair, result, case = context.pair, context.result, context.case
    kinds = {reason.kind for reason in result.reasons}
    misfit = Kind.WEIGHT_SHAPES in kinds
    # Without integers, the catalogue's own layouts are not in question.
    of_users = bool(case.transplant) or case.candidate is not None
    in_float64 = pair.reference.degree is None and Kind.ROUNDING in kinds and of_users
    differs = misfit or in_float64 or result.exact.status is Agreement.DIFFERENT
    if not differs or result.suggested_layout is not None:
        return Evidence(Agreement.NOT_APPLICABLE)
    if corrected := corrections(pair, context.claim.usual_transplant(), case):
        findings = tuple(Finding(Kind.LAYOUT, str(correction)) for correction in corrected)
        if case.candidate is None:
            claimed = {source: str(relayout) for source, relayout in case.transplant.items()}
            matching = {correction.source: correction.matching for correction in corrected}
        else:
            claimed = {target: str(source) for target, source in case.candidate.map.items()}
            if case.candidate.map_by is not None:
                moves = pair.mapping.moves
                claimed = {move.target: write_source(move) for move in moves if isinstance(move, Move | Joined)}
            matching = {correction.target: correction.matching_source for correction in corrected}
        whole = {**claimed, **matching}
        # A map that is to be pasted has to name all that the candidate takes.
        writable = case.candidate is None or case.candidate.map_by is None or len(whole) == len(pair.mapping.moves)
        details = {"suggestion": corrected[0].matching, "suggestions": whole if writable else {}}
        return Evidence(Agreement.DIFFERENT, findings, details=details)
    # A reader with a correction needs no differences.
    texts = () if misfit else visible_differences(pair, case.seed, result.exact.probes) or _reads(pair, case.seed)
    return Evidence(Agreement.DIFFERENT, tuple(Finding(Kind.DIFFERENCE, text) for text in texts))


def _reads(pair: Pair, seed: int) -> tuple[str, ...]:
    try:
        return tuple(describe_reads(pair, stream(seed, 800_011)))
    except CannotRunError:
        # What has no gradient is no less different.
        return ()


def visible_differences(pair: Pair, seed: int, probes: int) -> tuple[str, ...]:
    """Return sentences on how the outputs differ on the last of `probes` probes, or else on small numbers."""
    degree = pair.reference.degree
    if degree is None:
        return ()
    part = pair.of_part
    plan = make_plan(part, degree)
    probe = draw_probe(part, plan, seed, probes - 1)
    if torch.equal(*probe.outputs()):
        probe = draw_probe(part, plan.small(), seed, probes)
    if part is not pair and torch.equal(*probe.outputs()):
        probe = draw_whole(pair, plan, seed)
    reference, candidate = probe.outputs()
    if reference.shape != candidate.shape or torch.equal(reference, candidate):
        # Other masks or whole numbers are to blame, and not these.
        return ()
    parameters = {name: tensor.detach() for name, tensor in probe.sample.parameters.items()}
    return tuple(describe_differences(pair.reference, parameters, reference, candidate))


def corrections(pair: Pair, usual: Transplant, case: Case) -> tuple[Correction, ...]:
    """Return the changes of a pair's mapping that make both sides identical; empty if no layout does.

    `usual` is the catalogue's mapping. Where it matches, its patterns are the ones suggested.
    """
    how = "exactly" if pair.reference.degree is not None else "in float64"
    try:
        for candidate in _candidates(pair, usual, case):
            changed = [
                _correction(before, after, how)
                for before, after in zip(pair.mapping.moves, candidate.moves, strict=True)
                if isinstance(before, Move | Joined) and not moves_alike(before, after)
            ]
            if changed and agree(remapped(pair, candidate), case):
                # The parts of a parameter are laid out alike.
                return tuple(dict.fromkeys(changed))
    except (CannotRunError, PatternError):
        # A candidate that does not even run shows nothing.
        pass
    return ()


def _candidates(pair: Pair, usual: Transplant, case: Case) -> Iterator[Transplant]:
    """Yield mappings that are not yet proved: those of signatures, or else of orders of axes; then the usual one."""
    hashes = signatures(pair.of_part, case.seed)
    if hashes is not None:
        usual_moves = {move.target: move for move in usual.moves}
        moves: list[ParameterMove] = []
        for move in pair.mapping.moves:
            theirs = hashes.candidate.get(move.target)
            if theirs is None:
                moves.append(move)
            else:
                moves.append(_matching(pair.reference, move, usual_moves.get(move.target), hashes.reference, theirs))
        yield Transplant(tuple(moves))
    elif case.candidate is not None and pair.black_box is None:
        yield from reorderings(pair, case.seed)
    if len(usual.moves) == len(pair.mapping.moves):
        yield usual


def _matching(
    side: Side, move: ParameterMove, usual: ParameterMove | None, hashes: Mapping[str, Tensor], theirs: Tensor
) -> ParameterMove:
    """Return the move that takes parameters to their places; the one that was claimed if none is found.

    `hashes` are signatures of the reference's parameters, and `theirs` those of the candidate's.
    """
    if isinstance(move, Joined) and not move.whole.steps and move.result() == tuple(theirs.shape):
        places = torch.split(theirs, [part.result()[0] for part in move.parts])
        parts = (_matching(side, part, None, hashes, place) for part, place in zip(move.parts, places, strict=True))
        return replace(move, parts=tuple(parts))
    if not isinstance(move, Move) or move.source not in hashes:
        return move
    if found := _matching_move(side, move, usual, hashes[move.source], theirs):
        return found
    for name, ours in hashes.items():
        # Another parameter may belong there.
        if name != move.source and ours.numel() == theirs.numel():
            other = Move(name, move.target, tuple(ours.shape), ())
            if found := _matching_move(side, other, None, ours, theirs):
                return found
    return move


def _correction(before: ParameterMove, after: ParameterMove, how: str) -> Correction:
    if isinstance(before, Move) and isinstance(after, Move) and before.source == after.source:
        return Correction(before.source, before.layout, after.layout, how, before.target)
    return Correction("", write_source(before), write_source(after), how, before.target)


def _matching_move(side: Side, claimed: Move, usual: ParameterMove | None, ours: Tensor, theirs: Tensor) -> Move | None:
    """Return the move that takes a parameter to its place; None if no order of axes does.

    `ours` and `theirs` are signatures, int64 of the shapes of the reference's and the candidate's parameter.
    """
    for move in (claimed, usual):
        if isinstance(move, Move) and agrees(move, ours, theirs):
            return move
    for source, written in spellings(side, claimed, usual):
        known = {**side.axis_sizes, **dict(written)}
        lengths = Pattern(tuple(source), tuple(source)).sizes(claimed.shape, known)
        # Entries are copied along the axes of a kernel, never along groups.
        copyable = {axis: length for axis, length in known.items() if axis != "g"}
        steps = arrange(source, {**copyable, **lengths}, written, ours, theirs)
        if steps is not None:
            return replace(claimed, steps=steps)
    return None


def moves_alike(first: ParameterMove, second: ParameterMove) -> bool:
    """Tell whether two moves of parameters take every entry to the same places, however they are written."""
    if first is second:
        return True
    if first.result() != second.result() or set(first.sources) != set(second.sources):
        return False
    # Entries are numbered from 1, so that none is taken for a zero that a move adds.
    numbered, start = {}, 1.0
    for name, shape in sorted({**source_shapes(first), **source_shapes(second)}.items()):
        numbered[name] = torch.arange(start, start + math.prod(shape), dtype=torch.float64).reshape(shape)
        start += math.prod(shape)
    return torch.equal(first.forward(numbered), second.forward(numbered))
