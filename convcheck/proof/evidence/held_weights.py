"""Holds the weights that a candidate has itself against those that the mapping makes of the reference's own.

That the mapping is right was proved before, on numbers that were drawn; here it is about the tensors that both sides
bring. What only moves has to be the same number, in the candidate's dtype; what is computed may be rounded otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from convcheck.errors import PatternError
from convcheck.proof.context import Context, Evidence
from convcheck.results import Agreement, Finding, Kind
from convcheck.rewriting.arrangements import arrange
from convcheck.rewriting.parameter_move import ParameterMove, Parameters
from convcheck.rewriting.transplant import Move, Transplant

NARROW = (torch.bfloat16, torch.float16)


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
    texts = list(departures(context.pair.mapping, held.reference, held.candidate, names))
    if texts:
        return Evidence(Agreement.DIFFERENT, tuple(Finding(Kind.HELD_WEIGHTS, text) for text in texts))
    note = f"the candidate holds what is made of the reference's weights: {', '.join(context.pair.mapping.shapes())}"
    return Evidence(Agreement.IDENTICAL, notes=(Finding(Kind.HELD_WEIGHTS, note),))


def departures(
    mapping: Transplant, reference: Parameters, candidate: Parameters, axes: Mapping[str, list[str]]
) -> Iterator[str]:
    """Yield a sentence on every parameter of the candidate that is not what `mapping` makes of the reference's."""
    wide = {name: tensor.detach().cpu().double() for name, tensor in reference.items()}
    mapped = mapping.forward(wide)
    for move in mapping.moves:
        if move.target not in candidate:
            yield f"{move.target}: the candidate holds no such tensor"
            continue
        held = candidate[move.target].detach().cpu()
        made = mapped[move.target].to(held.dtype)
        if held.shape != made.shape:
            yield f"{move.target}: the candidate holds {list(held.shape)}, and mapped it is {list(made.shape)}"
            continue
        # NaN is no number that could be compared; where both have one, they agree.
        apart = ~((held == made) | (held.isnan() & made.isnan()))
        apart &= (held.double() - made.double()).abs().nan_to_num(torch.inf) > _tolerance(move, wide, held)
        if not apart.any():
            continue
        place = tuple(apart.nonzero()[0].tolist())
        others = {name: tensor.to(held.dtype) for name, tensor in mapped.items() if name != move.target}
        why = next(_explanations(move, wide, held, made, apart, others, axes), "")
        yield (
            f"{move.target}: {int(apart.sum())} of {apart.numel()} entries differ, the first at {list(place)}: "
            f"{held[place].item():.9g} is held, and mapped it is {made[place].item():.9g}" + (f"; {why}" if why else "")
        )


def _tolerance(move: ParameterMove, wide: Parameters, held: Tensor) -> Tensor | float:
    """Return how far an entry may be from the mapped one: 0 where numbers only move, else what roundings explain."""
    if not move.rounds:
        return 0.0
    magnitudes = {name: tensor.abs() for name, tensor in wide.items()}
    ones = {name: torch.ones_like(tensor) for name, tensor in wide.items()}
    positive = move.positive()
    # As many products as there are in a sum, each rounded, and added.
    products = float(positive.forward(ones).max())
    unit = torch.finfo(held.dtype).eps / 2
    return unit * (products + move.roundings + 2) * positive.forward(magnitudes)


def _explanations(
    move: ParameterMove,
    wide: Parameters,
    held: Tensor,
    made: Tensor,
    apart: Tensor,
    others: Parameters,
    axes: Mapping[str, list[str]],
) -> Iterator[str]:
    """Yield what would explain a tensor that is held in place of the one that is made, the likeliest first."""
    if not held.any():
        yield "it is zero everywhere"
        return
    for name, other in others.items():
        if other.shape == held.shape and torch.equal(other, held):
            yield f"it holds what {name} should"
    if isinstance(move, Move) and (steps := _arrangement(move, wide[move.source].to(held.dtype), held, axes)):
        yield f"it is '{move.source}: {steps}' of the reference"
    if factor := _factor(held, made):
        yield f"it is {factor:.9g} times what it should be"
    for dtype in NARROW:
        if torch.equal(made.to(dtype).to(held.dtype), held):
            yield f"it was rounded to {str(dtype).removeprefix('torch.')}"
    for axis in range(held.dim()):
        rows = apart.movedim(axis, 0).reshape(held.shape[axis], -1).any(1).nonzero().flatten()
        first, last = int(rows[0]), int(rows[-1])
        if int(apart.sum()) > 1 and len(rows) == last - first + 1 < held.shape[axis]:
            what = "which are zero" if not held.narrow(axis, first, len(rows)).any() else "which alone differ"
            yield f"these are the places {first} to {last} of axis {axis}, {what}"


def _arrangement(move: Move, source: Tensor, held: Tensor, axes: Mapping[str, list[str]]) -> str | None:
    """Return the pattern that takes the reference's tensor to the one that is held; None if none does."""
    if source.numel() != held.numel():
        return None
    names = axes.get(move.source, [f"a{number}" for number in range(source.dim())])
    # Entries are known by their bits.
    ours, theirs = (tensor.double().contiguous().view(torch.int64) for tensor in (source, held))
    try:
        steps = arrange([(name,) for name in names], dict(zip(names, source.shape, strict=True)), (), ours, theirs)
    except PatternError:
        return None
    return None if steps is None else " | ".join(map(str, steps))


def _factor(held: Tensor, made: Tensor) -> float | None:
    """Return the number that one tensor is times the other, within rounding; None if there is none."""
    wide, numbers = held.double(), made.double()
    largest = numbers.abs().flatten().argmax()
    divisor = float(numbers.flatten()[largest])
    if not divisor or not bool(wide.isfinite().all() and numbers.isfinite().all()):
        return None
    factor = float(wide.flatten()[largest]) / divisor
    relative = 4 * torch.finfo(held.dtype).eps
    close = (wide - factor * numbers).abs() <= relative * abs(factor) * numbers.abs()
    return factor if abs(factor - 1) > 2 * relative and bool(close.all()) else None
