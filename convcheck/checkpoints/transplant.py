"""The weights of a checkpoint through a mapping that is proved, into another checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from convcheck.checkpoints import bits
from convcheck.checkpoints.checkpoint import Checkpoint
from convcheck.checkpoints.destination import Destination
from convcheck.checkpoints.dtypes import converted, to_stored, to_tensor
from convcheck.checkpoints.plan import Plan
from convcheck.checkpoints.record import Loss, Moved, Transplanted
from convcheck.checkpoints.stored import CheckpointError, Stored, quoted
from convcheck.checkpoints.writing import Tick, write_checkpoint
from convcheck.config.case import WeightFile
from convcheck.config.checks import DType
from convcheck.config.stored_tensors import ENDING
from convcheck.errors import UsageError
from convcheck.proof.evidence.held_weights import departures
from convcheck.proof.real_weights import ModuleTensors
from convcheck.proof.verification import verify
from convcheck.results import Result, Verdict
from convcheck.rewriting.steps import NoWayBackError


@dataclass(frozen=True)
class Weights:
    """The real tensors of both sides, by parameter, and those to write, by key, maybe in another dtype."""

    reference: Mapping[str, Tensor]
    candidate: Mapping[str, Tensor]
    written: Mapping[str, Tensor]
    losses: Mapping[str, Loss]


def read(source: Checkpoint, plan: Plan, dtype: str | None) -> Weights:
    """Return the tensors that are moved, and what is made of them.

    Raises:
        CheckpointError: they cannot be read, or `dtype` cannot hold them.
        UsageError: there is no way back from them.
    """
    has = {name: to_tensor(key, source.tensors[key]) for name, key in plan.sources.items()}
    try:
        made = (bits.backward if plan.inverse else bits.forward)(plan.mapping, has)
    except NoWayBackError as error:
        raise UsageError(f"there is no way back: {error}") from None
    if lost := [name for name in plan.targets if name not in made]:
        raise UsageError(f"there is no way back: nothing of the candidate is made of {quoted(lost[0])}")
    reference, candidate = (made, has) if plan.inverse else (has, made)
    written, losses = {}, {}
    for name, key in plan.targets.items():
        tensor, loss = made[name].contiguous(), None
        if dtype is not None:
            tensor, loss = converted(key, tensor, getattr(torch, dtype))
        written[key] = tensor
        if loss is not None:
            losses[key] = loss
    return Weights(reference, candidate, written, losses)


def prove(source: Checkpoint, plan: Plan, weights: Weights) -> Result:
    """Return the proof of the mapping, whose numeric part runs on the real weights."""
    notes = (f"weights: {', '.join(plan.sources.values())}",)
    given = _file(source, plan) or ModuleTensors(weights.reference, notes)
    case = replace(plan.claim.case, weights=given, dtype=cast(DType, plan.dtype))
    return verify(replace(plan.claim, case=case))


def _file(source: Checkpoint, plan: Plan) -> WeightFile | None:
    """Return the reference's weights as those of one file, as whoever repeats the proof can name them; None if not."""
    homes = {source.home(key) for key in plan.sources.values()}
    path = source.files[min(homes)].path
    if plan.inverse or len(homes) > 1 or not path.name.lower().endswith(ENDING):
        return None
    return WeightFile(str(path), str(path), plan.sources)


def transplanted(source: Checkpoint, place: Destination, plan: Plan, weights: Weights, result: Result) -> Transplanted:
    """Return what is about to be done; nothing is written yet."""
    moved = {key: Moved(*origin) for key, origin in plan.origins().items()}
    sizes = (stored.size for tensors in contents(source, plan, weights) for stored in tensors.values())
    return Transplanted(
        file=str(place.path),
        source=source.written,
        inverse=plan.inverse,
        moved=moved,
        copied=len(plan.copied),
        renamed=plan.renamed,
        dropped=plan.dropped,
        result=result,
        losses=weights.losses,
        size=sum(sizes),
        nest=next((file.nest for file in source.files if file.nest is not None), None),
        beside=tuple(dict.fromkeys(name for file in source.files for name in file.beside)),
    )


def contents(source: Checkpoint, plan: Plan, weights: Weights) -> list[dict[str, Stored]]:
    """Return the tensors of every file, each where that was which it is made of."""
    successors = plan.successors()
    return [
        {
            new: to_stored(weights.written[new]) if new in weights.written else stored
            for old, stored in file.tensors.items()
            for new in successors[old]
        }
        for file in source.files
    ]


def write(
    source: Checkpoint,
    place: Destination,
    plan: Plan,
    weights: Weights,
    done: Transplanted,
    tick: Tick,
    *,
    overwrite: bool,
) -> Transplanted:
    """Write the checkpoint, and hold what is on the disk against the source before it gets its name.

    Raises:
        CheckpointError: it cannot be written, or is not what it should be.
    """
    if done.result.verdict is not Verdict.EQUAL:
        raise ValueError("a mapping that is not proved is not applied")

    def check(back: Mapping[str, Stored]) -> None:
        again = {name: to_tensor(key, back[key]) for name, key in plan.targets.items()}
        if wrong := _departure(plan, weights, again):
            raise CheckpointError(f"{wrong}; nothing is left of {quoted(str(place.path))}")

    successors = plan.successors()
    listed = [new for old in (source.index.files if source.index else ()) for new in successors[old]]
    write_checkpoint(source, place, contents(source, plan, weights), listed, check, tick, overwrite=overwrite)
    return replace(done, verified=True)


def _departure(plan: Plan, weights: Weights, again: Mapping[str, Tensor]) -> str | None:
    """Return what is wrong with the tensors that were read back; None if they are what the source becomes."""
    has = weights.candidate if plan.inverse else weights.reference
    if weights.losses:
        # Rounded numbers have no way back; the bytes of what was computed were compared before.
        texts = () if plan.inverse else departures(plan.mapping, weights.reference, again, {})
        return next(iter(texts), None)
    try:
        back = (bits.forward if plan.inverse else bits.backward)(plan.mapping, again)
    except NoWayBackError:
        return next(departures(plan.mapping, weights.reference, again, {}), None)
    return next(
        (f"{name} does not come back bit for bit" for name in back if not bits.same(back[name], has[name])), None
    )
