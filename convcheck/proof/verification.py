"""Verifies one claim: builds both sides once, and lets every kind of evidence examine them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

import torch

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.replacement import Replacement, tensors_of
from convcheck.errors import CannotRunError
from convcheck.proof import memory
from convcheck.proof.build_pair import build_pair
from convcheck.proof.context import Context, Evidence, Examine
from convcheck.proof.evidence import (
    all_sizes,
    bookkeeping,
    diagnosis,
    floating_point,
    held_weights,
    integer_probes,
    location,
    output_layout,
    picture,
    stand_in,
    strength,
    weight_shapes,
)
from convcheck.proof.expectations import judge
from convcheck.proof.pair import Pair
from convcheck.proof.real_weights import departures, weight_source
from convcheck.proof.reproduce import command
from convcheck.proof.shared import Shared
from convcheck.proof.strips import in_strips
from convcheck.proof.threads import threads_for, work_of
from convcheck.results import Finding, Kind, Result, Sides, SizesProof, SizesStatus, Verdict
from convcheck.rewriting.rewrite import parameter_count
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sides.torch_modes import known_modes

MISFIT: tuple[Examine, ...] = (diagnosis.examine, picture.examine)
"""Evidence on weights that do not even fit: a candidate cannot run on them, but their layout may be found."""

EVIDENCE: tuple[Examine, ...] = (
    integer_probes.examine,
    strength.examine,
    stand_in.examine,
    output_layout.examine,
    diagnosis.examine,
    floating_point.examine,
    location.examine,
    bookkeeping.examine,
    held_weights.examine,
    all_sizes.examine,
    picture.examine,
)
"""All other kinds of evidence in order; every kind gets the result of those before it."""

OF_FUNCTIONS = frozenset({weight_shapes.examine, integer_probes.examine, strength.examine})
"""Those that look at a pair and a seed alone, and so are the same for all dtypes and devices."""

_DRIFT = "the claimed transplant copies values, and training lets the copies drift apart"


@known_modes()
def verify(claim: Claim, shared: Shared | None = None) -> Result:
    """Verify one claim, in known modes of torch.

    What is `shared` with the claims before it is not computed again. If torch cannot run it, the verdict is `error`;
    only a fault of convcheck's own is raised.
    """
    if claim.fault is not None:
        raise claim.fault
    start = time.perf_counter()
    # Thousands of claims do not keep what each of them took.
    claim = claim.forgetful()
    try:
        if claim.cannot_run is not None:
            raise CannotRunError(claim.cannot_run)
        result = known(claim)
        too_large = None if claim.refusals else _too_large(claim)
    except CannotRunError as error:
        result = _cannot_run(begin_result(claim), str(error))
        return replace(judge(claim, result), seconds=time.perf_counter() - start)
    if claim.refusals:
        result = replace(result, verdict=Verdict.REFUSED, reasons=_findings(Kind.REFUSAL, claim.refusals))
    elif too_large is not None:
        # Too small a machine says nothing about the claim.
        result = _cannot_run(result, too_large)
    else:
        source = weight_source(claim.case)
        result = replace(result, notes=(*result.notes, *_findings(Kind.WEIGHTS, source.notes if source else ())))
        try:
            with threads_for(result), in_strips(work_of(result)):
                if unlike := (*departures(claim.case), *_no_functions(claim.case)):
                    result = replace(result, verdict=Verdict.REFUSED, reasons=_findings(Kind.REFUSAL, unlike))
                else:
                    result = gather(claim, result, shared)
        except CannotRunError as error:
            result = _cannot_run(result, str(error))
    return replace(judge(claim, result), seconds=time.perf_counter() - start)


def begin_result(claim: Claim) -> Result:
    """Return the result of a claim of which nothing is known yet: an `error`, until there is a verdict."""
    case, own = claim.case, claim.case.candidate
    return Result(
        case=case.name,
        source=case.source,
        layer=str(case.layer),
        rewrite=None if own is not None else claim.name,
        input=case.inputs,
        dtype=case.dtype,
        device=case.device,
        seed=case.seed,
        verdict=Verdict.ERROR,
        expected=case.expect.verdict,
        ok=False,
        reproduce=command(claim),
        layout=None if own is None or own.layout is None else str(own.layout),
        in_python=case.in_python,
        reference=None if own is None else str(case.layer),
        candidate=None if own is None else str(own.layer),
        map=None if own is None else {name: str(source) for name, source in own.map.items()},
        # Until there is a proof, and where a claim does not come so far.
        sizes=SizesProof(SizesStatus.UNKNOWN, obstacle="not tried") if case.all_sizes else SizesProof(),
    )


def known(claim: Claim) -> Result:
    """Return the result as far as it is known before anything is built: shapes, counts, and the mapping."""
    case, layer, rewrite = claim.case, claim.case.layer, claim.rewrite
    count, macs = layer.parameter_count(), layer.macs(*case.inputs)
    result = replace(
        begin_result(claim),
        output_shape=Sides(layer.output_shape(*case.inputs), None),
        params=Sides(count, None),
        macs=Sides(macs, None),
    )
    if rewrite is None or claim.refusals:
        return result
    mapping = claim.transplant()
    one_to_one, own = mapping.one_to_one(), case.candidate
    candidate_parameters = mapping.shapes() if own is None else own.layer.parameters()
    notes = [] if one_to_one else [f"not one-to-one: {rewrite.training or _DRIFT}"]
    if rewrite.saving:
        notes.append(f"saves {rewrite.saving}")
    if own is not None and own.solved:
        notes.append("map: solved")
    if own is not None:
        used = {source for move in mapping.moves for source in move.sources}
        if unused := [name for name in tensors_of(layer) if name not in used]:
            notes += [f"nothing of the candidate is made of the reference's {', '.join(unused)}"]
    return replace(
        result,
        params=Sides(count, parameter_count(candidate_parameters)),
        macs=Sides(macs, rewrite.macs(layer, *case.inputs)),
        one_to_one=one_to_one,
        transplant=mapping.describe(),
        notes=_findings(Kind.MAPPING, notes),
        map=None if own is None else _written_map(own, mapping),
        map_solved=own is not None and own.solved,
    )


def _written_map(own: Replacement, mapping: Transplant) -> dict[str, str]:
    """Return the source of every parameter of the candidate, as a map gives it; or the function that makes it."""
    if own.map_by is None:
        return {name: str(source) for name, source in own.sources().items()}
    return {
        move.target: f"{move.source}: {move}" if isinstance(move, Move) else str(own.map_by) for move in mapping.moves
    }


def gather(claim: Claim, result: Result, shared: Shared | None) -> Result:
    """Return the result with all evidence. Raises CannotRunError if torch cannot run a side."""
    pair = build_pair(claim) if shared is None else build_pair(claim, shared)
    remarks = () if pair.graphs is None else pair.graphs.remarks(getattr(torch, claim.case.dtype))
    result = replace(result, evidence=_evidence_of(pair, claim.case), notes=(*result.notes, *remarks))
    context = Context(claim, pair, result)
    context = context.joined(_examined(weight_shapes.examine, context))
    for examine in MISFIT if context.result.reasons else EVIDENCE:
        context = context.joined(_examined(examine, context))
    return replace(context.result, verdict=_verdict({reason.kind for reason in context.result.reasons}))


def _examined(examine: Examine, context: Context) -> Evidence:
    """Return one kind of evidence; where the pair is shared with other dtypes it may be there."""
    if examine not in OF_FUNCTIONS:
        return examine(context)
    memory = context.pair.memory
    if examine not in memory:
        memory[examine] = examine(context)
    return memory[examine]


def _no_functions(case: Case) -> Iterator[str]:
    """Yield why a side is no function of its inputs and weights. Raises CannotRunError if its code raises."""
    sides = (case.layer, case.candidate.layer) if case.candidate is not None else (case.layer,)
    if any(layer.IS_USER_CODE for layer in sides):
        from convcheck.user_code.behaviour import no_function
        from convcheck.user_code.user_module import UserModule

        for layer in sides:
            if isinstance(layer, UserModule):
                yield from no_function(layer)


def _evidence_of(pair: Pair, case: Case) -> str | None:
    """Return by what a pair of the user's own is proved; None for a rewrite."""
    if case.candidate is None:
        return None
    if pair.black_box is not None:
        return "black-box"
    return "exact" if pair.reference.degree is not None else "float64"


def _verdict(kinds: Set[Kind]) -> Verdict:
    """Return the verdict for the kinds of all reasons: what is inconclusive is neither equal nor different."""
    if not kinds:
        return Verdict.EQUAL
    return Verdict.ERROR if kinds == {Kind.INCONCLUSIVE} or Kind.FAULT in kinds else Verdict.DIFFERENT


def _cannot_run(result: Result, why: str) -> Result:
    return replace(result, verdict=Verdict.ERROR, reasons=_findings(Kind.CANNOT_RUN, [f"could not be run: {why}"]))


def _too_large(claim: Claim) -> str | None:
    """Say by how much this machine's memory is too small for the proof, or what it may take of it."""
    needed, most = memory.needed(claim), claim.case.max_memory
    if most is None and needed <= memory.SLIGHT:
        return None
    free = memory.available()
    if needed <= min(free, free if most is None else most):
        return None
    limit = (
        f"{memory.write_bytes(free)} are free"
        if most is None or most > free
        else f"may take {memory.write_bytes(most)}"
    )
    return (
        f"the proof needs about {memory.write_bytes(needed)} of memory, and {limit}; "
        "fewer channels or a smaller input would do"
    )


def _findings(kind: Kind, texts: Iterable[str]) -> tuple[Finding, ...]:
    return tuple(Finding(kind, text) for text in texts)
