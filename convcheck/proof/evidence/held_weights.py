"""Holds the weights that a candidate has itself against those that the mapping makes of the reference's own.

That the mapping is right was proved before, on numbers that were drawn; here it is about the tensors that both sides
bring. What only moves has to be the same number, in the candidate's dtype; what is computed may be rounded otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from convcheck.errors import cut
from convcheck.proof.context import Context, Evidence
from convcheck.proof.fingerprints import in_pieces
from convcheck.proof.held_file import HeldFile
from convcheck.proof.weight_explanations import Departure, Surroundings, arrangement, explanations
from convcheck.results import Agreement, Finding, HeldStatus, HeldWeight, Kind, Sides
from convcheck.rewriting.joined import write_source
from convcheck.rewriting.map_function import FunctionTransplant
from convcheck.rewriting.parameter_move import ParameterMove, Parameters
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape

ROOM = 400
"""Letters that a note has for names."""


def examine(context: Context) -> Evidence:
    """Name the entries that differ, parameter by parameter, where a case asks for both sides' own weights."""
    held = context.case.held
    if held is None:
        return Evidence(Agreement.NOT_APPLICABLE)
    if context.result.reasons:
        note = "the candidate's own weights are not compared: the mapping has to be right first"
        return Evidence(Agreement.NOT_APPLICABLE, notes=(Finding(Kind.HELD_WEIGHTS, note),))
    axes = context.pair.reference.parameter_axes
    names = {name: [group[0] for group in groups] for name, groups in axes.items() if all(len(g) == 1 for g in groups)}
    mapping = context.pair.mapping
    compared = dict(compare(mapping, held.reference, held.candidate, names))
    details = {"held_weights": compared}
    texts = [f"{name}: {_sentence(one)}" for name, one in compared.items() if one.status is not HeldStatus.IDENTICAL]
    rest = cut(", ".join(_rest(held)), ROOM)
    notes = [f"the reference's file holds more, which is no part of it and is not compared: {rest}"] if rest else []
    if texts:
        findings = tuple(Finding(Kind.HELD_WEIGHTS, text) for text in texts)
        return Evidence(Agreement.DIFFERENT, findings, _notes(notes), details)
    notes.insert(0, f"the candidate holds what is made of the reference's weights: {_written(mapping)}")
    if rounded := {name: one.max_abs for name, one in compared.items() if one.max_abs and _moves(mapping, name)}:
        most = max(map(float, rounded.values()))
        notes.append(f"rounded to the candidate's dtype, by {most:.3g} at most: {cut(', '.join(rounded), ROOM)}")
    return Evidence(Agreement.IDENTICAL, notes=_notes(notes), details=details)


def _notes(texts: Iterable[str]) -> tuple[Finding, ...]:
    return tuple(Finding(Kind.HELD_WEIGHTS, text) for text in texts)


def _rest(held: Sides[Parameters]) -> list[str]:
    """Return what the reference's file holds beside it, and the candidate's does not."""
    if not isinstance(held.reference, HeldFile) or not isinstance(held.candidate, HeldFile):
        return []
    return [name for name in held.reference.unknown if name not in held.candidate.unknown]


def _written(mapping: Transplant) -> str:
    return cut(", ".join(f"{move.target} = {write_source(move)}" for move in mapping.moves), ROOM)


def _moves(mapping: Transplant, target: str) -> bool:
    return any(move.target == target and not move.rounds for move in mapping.moves)


def departures(
    mapping: Transplant, reference: Parameters, candidate: Parameters, axes: Mapping[str, list[str]]
) -> Iterator[str]:
    """Yield a sentence on every parameter of the candidate that is not what `mapping` makes of the reference's."""
    for name, one in compare(mapping, reference, candidate, axes):
        if one.status is not HeldStatus.IDENTICAL:
            yield f"{name}: {_sentence(one)}"


def compare(
    mapping: Transplant, reference: Parameters, candidate: Parameters, axes: Mapping[str, list[str]]
) -> Iterator[tuple[str, HeldWeight]]:
    """Yield how every tensor of the candidate compares with what `mapping` makes of the reference's, one by one."""
    make = _maker(mapping, reference)
    file = reference if isinstance(reference, HeldFile) else None
    around = Surroundings(mapping.moves, make, file, axes)
    for move in mapping.moves:
        if move.target not in candidate:
            yield move.target, HeldWeight(HeldStatus.MISSING, why=_renamed(make(move), candidate))
            continue
        held, made = candidate[move.target].detach().cpu(), make(move)
        if held.shape != made.shape or not held.is_floating_point():
            dtype = "" if held.is_floating_point() else f" of {str(held.dtype).removeprefix('torch.')}"
            why = f"the candidate holds {list(held.shape)}{dtype}, and mapped it is {list(made.shape)}"
            order = arrangement([f"a{number}" for number in range(made.dim())], made.to(held.dtype), held)
            why += f"; it is '{order}' of what it should be" if order else ""
            yield move.target, HeldWeight(HeldStatus.DIFFERENT, held.numel(), held.numel(), why=why)
            continue
        yield move.target, _compared(move, _taken(move, reference), held, made, around)
    if isinstance(candidate, HeldFile):
        yield from _extra(file, candidate)


def _extra(reference: HeldFile | None, candidate: HeldFile) -> Iterator[tuple[str, HeldWeight]]:
    """Yield what the candidate's file holds beside its tensors: the same as the reference's does, or too much."""
    ours = {} if reference is None else reference.unknown
    for name, key in candidate.unknown.items():
        if reference is None or name not in ours:
            yield name, HeldWeight(HeldStatus.EXTRA)
            continue
        theirs, tensor = candidate.read(key), reference.read(ours[name])
        same = theirs.shape == tensor.shape and torch.equal(tensor.to(theirs.dtype), theirs)
        why = None if same else "it is no part of either side, and not what the reference's file has there"
        yield name, HeldWeight(HeldStatus.IDENTICAL if same else HeldStatus.EXTRA, theirs.numel(), why=why)


def _maker(mapping: Transplant, reference: Parameters) -> Callable[[ParameterMove], Tensor]:
    """Return what makes a tensor of the candidate: in the reference's dtype where numbers move, else in float64."""
    if isinstance(mapping, FunctionTransplant):
        # It makes all of them at once.
        everything = mapping.forward({name: tensor.detach().cpu().double() for name, tensor in reference.items()})
        return lambda move: everything[move.target]
    # What is made of nothing, as zeros are, takes its dtype from what there is.
    like = {"": torch.zeros((), dtype=torch.float64)}
    return lambda move: move.forward(_taken(move, reference) or like)


def _taken(move: ParameterMove, reference: Parameters) -> dict[str, Tensor]:
    """Return what a move takes, in float64 where it computes, or where dtypes differ."""
    tensors = {name: reference[name].detach().cpu() for name in move.sources}
    if not move.rounds and len({tensor.dtype for tensor in tensors.values()}) == 1:
        return tensors
    return {name: tensor.double() for name, tensor in tensors.items()}


def _compared(move: ParameterMove, sources: Parameters, held: Tensor, made: Tensor, around: Surroundings) -> HeldWeight:
    """Return how one tensor compares, with what would explain a difference."""
    entries = held.numel()
    if not entries:
        return HeldWeight(HeldStatus.IDENTICAL)
    limits = [_tolerance(move, sources, held)] if move.rounds else []
    apart = torch.empty(entries, dtype=torch.bool)
    start, furthest, loses = 0, (-1.0, 0), False
    # The largest distance of those that agree counts where all do.
    agreeing = furthest
    for ours, theirs, *limit in in_pieces(held, made, *limits):
        rounded, wide = theirs.to(held.dtype), theirs.double()
        # NaN is no number that could be compared; where both have one, they agree, as do infinite ones.
        lost = rounded.isinf() & wide.isfinite()
        same = (ours == rounded) & ~lost | (ours.isnan() & rounded.isnan())
        distance = (ours.double() - wide).abs().nan_to_num(torch.inf, torch.inf)
        distance = torch.where(same & ~wide.isfinite(), 0.0, distance)
        differ = ~same & (distance > (limit[0] if limit else 0.0))
        apart[start : start + len(ours)] = differ
        loses |= bool(lost.any())
        if bool(differ.any()):
            furthest = max(furthest, _most(torch.where(differ, distance, -1.0), start), key=lambda pair: pair[0])
        agreeing = max(agreeing, _most(distance, start), key=lambda pair: pair[0])
        start += len(ours)
    count = int(apart.sum())
    most, place = furthest if count else agreeing
    far = (most if math.isfinite(most) else None, _index(place, held))
    if not count:
        return HeldWeight(HeldStatus.IDENTICAL, entries, 0, None, None, None, *far)
    first = _index(int(apart.byte().argmax()), held)
    rounded = made.to(held.dtype)
    largest = f"the largest number that {str(held.dtype).removeprefix('torch.')} holds is"
    why = f"{largest} {torch.finfo(held.dtype).max:.6g}" if loses else None
    one = Departure(move, sources, held, rounded, apart.reshape(held.shape))
    why = why or next(explanations(one, around), None)
    mapped = rounded[first] if rounded[first].isfinite() else made[first]
    return HeldWeight(HeldStatus.DIFFERENT, entries, count, first, held[first].item(), mapped.item(), *far, why)


def _most(values: Tensor, start: int) -> tuple[float, int]:
    """Return the largest of some values, and its place, which are counted from `start`."""
    place = int(values.argmax())
    return float(values[place]), start + place


def _index(place: int, like: Tensor) -> Shape:
    return tuple(map(int, torch.unravel_index(torch.tensor(place), like.shape)))


def _sentence(one: HeldWeight) -> str:
    """Return what is wrong with a tensor."""
    why = f"; {one.why}" if one.why else ""
    if one.status is HeldStatus.EXTRA:
        return one.why or "the candidate holds it, and has no place for such a tensor"
    if one.status is HeldStatus.MISSING:
        return f"the candidate holds no such tensor{why}"
    if one.at is None:
        return str(one.why)
    furthest = f"; the most by {one.max_abs:.4g} at {list(one.max_at or ())}" if one.max_abs and one.differ > 1 else ""
    return (
        f"{one.differ} of {one.entries} entries differ, the first at {list(one.at)}: {one.held:.9g} is held, and "
        f"mapped it is {one.mapped:.9g}{furthest}{why}"
    )


def _renamed(made: Tensor, candidate: Parameters) -> str | None:
    """Return where a tensor stands that the candidate's file has under another name; None if nowhere."""
    if not isinstance(candidate, HeldFile):
        return None
    free = [key for key in candidate.shapes if key not in candidate.key_of.values()]
    for key in sorted(free, key=lambda key: key not in candidate.unknown.values()):
        if candidate.shapes[key] == tuple(made.shape):
            tensor = candidate.read(key)
            if torch.equal(made.to(tensor.dtype), tensor):
                return f"{key} of '{candidate.written}' is what it should be"
    return None


def _tolerance(move: ParameterMove, sources: Parameters, held: Tensor) -> Tensor:
    """Return how far an entry may be from the mapped one, which is computed: what roundings explain."""
    magnitudes = {name: tensor.abs() for name, tensor in sources.items()}
    ones = {name: torch.ones_like(tensor) for name, tensor in sources.items()}
    positive = move.positive()
    # As many products as there are in a sum, each rounded, and added.
    products = float(positive.forward(ones).max())
    unit = torch.finfo(held.dtype).eps / 2
    return unit * (products + move.roundings + 2) * positive.forward(magnitudes)
