"""Probes a pair with integers: compares outputs and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import exact, gradients, in_parts
from convcheck.proof.evidence.probes import EXACT, Plan, draw_probe, make_plan, whole
from convcheck.proof.evidence.whole_batch import draw_whole
from convcheck.proof.fingerprints import short
from convcheck.proof.observations import Graph, Observation, at_integers, at_ones, observe, stream
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Exact, Finding, Gradients, Kind
from convcheck.sides import samples

HALF = 0.5


def examine(context: Context) -> Evidence:
    """Probe both sides until one probe finds a difference, or a wrong candidate is improbable enough."""
    if context.pair.reference.degree is None:
        evidence = in_parts.examine(context)
        if evidence.status is Agreement.IDENTICAL:
            return evidence
    return probe(context.pair, context.case.seed)


def probe(pair: Pair, seed: int) -> Evidence:
    """Return the evidence of integer probes for a pair alone; its details are `exact` and `gradients`.

    They are on a part of the batch where that says as much, see `batch`; outputs are then compared on all of it, too.
    """
    batch, pair = pair, pair.of_part
    where = "" if batch.part is None else f" of the first {batch.part} of {batch.reference.inputs[0][0]} in the batch"
    reference, rounded = pair.reference, pair.candidate.gain > 0
    if reference.degree is None:
        within = "" if pair.black_box is None else " within an estimate, as for any black box,"
        stand_in = f"exact: not applicable, {pair.obstacle}; float64{within} stands in for it"
        return Evidence(Agreement.NOT_APPLICABLE, notes=(Finding(Kind.EXACT, stand_in),))
    longest = pair.longest_sum
    if longest is None or longest > EXACT:
        why = "the map does more than move entries" if longest is None else "the map's factors are no short numbers"
        inexact = f"exact, gradients: not applicable, {why}; float64 stands in for it"
        return Evidence(Agreement.NOT_APPLICABLE, notes=(Finding(Kind.EXACT, inexact),))
    plan = make_plan(pair, reference.degree)
    if plan.error >= HALF:
        too_large = Finding(Kind.EXACT, f"exact: no integers are small enough ({plan.error:.2g})")
        return Evidence(Agreement.NOT_APPLICABLE, notes=(too_large,))
    notes = tuple(_notes(pair, plan.error))
    compared, probes = Gradients(), 0
    faults: tuple[str, ...] = ()
    while not faults and probes < plan.probes:
        seen = at_integers(reference, plan.magnitude, seed, probes).shortened()
        faults, graph = _outputs_compared(pair, seen, where)
        compared = gradients.merge(compared, gradients.compare(gradients.gradients_of(seen, graph, rounded=rounded)))
        probes += 1
        # The next probe takes as much memory again.
        del seen, graph
        if plan.bilinear and gradients.differing(compared):
            plan = plan.by_outputs()
    if not faults and not plan.error:
        faults, compared = _small(pair, plan, seed, probes, compared)
    if not faults and batch is not pair:
        faults = exact.compare(*draw_whole(batch, plan, seed).outputs())
    if not faults and pair.graphs is not None:
        faults, compared = _with_other_choices(pair, plan, seed, compared)
    if pair.graphs is not None and pair.graphs.own_backward:
        compared = gradients.only(Agreement.DIFFERENT, compared)
        why = "gradients: not known to be equal, code of a side's own computes them"
        notes = (*notes, Finding(Kind.EXACT, why))
    findings = [Finding(Kind.EXACT, text) for text in faults]
    if differing := gradients.differing(compared):
        findings.append(Finding(Kind.GRADIENTS, f"the gradients of {' and '.join(differing)} differ on integers"))
    status = Agreement.DIFFERENT if faults else Agreement.IDENTICAL
    details = {
        "exact": Exact(status, probes, None if faults else plan.false_accept),
        "gradients": compared,
    }
    return Evidence(status, tuple(findings), notes, details)


def _outputs_compared(pair: Pair, seen: Observation, where: str = "") -> tuple[tuple[str, ...], Graph]:
    """Return where the candidate's output is not what was seen of the reference, and the graph of it."""
    output = pair.run_candidate(seen.sample)
    theirs = whole(output.detach(), rounded=pair.candidate.gain > 0)
    if torch.equal(seen.output, short(theirs)):
        return (), Graph.of(output)
    # Its digest has another shape.
    is_whole = seen.output.shape == seen.cotangent.shape
    ours = seen.output if is_whole else pair.run_reference(seen.sample).detach()
    return exact.compare(ours, theirs, where), Graph.of(output)


def _small(pair: Pair, plan: Plan, seed: int, number: int, compared: Gradients) -> tuple[tuple[str, ...], Gradients]:
    """Return faults, and how gradients compare, on the smallest numbers.

    Beside numbers near 2^53 a small constant would be rounded away. At ones every product counts, so what is missing or
    too much shows in an output or a gradient, unless it cancels in all of them.
    """
    ones = pair.at_ones if pair.graphs is None else None
    if ones is None or ones.identical is None:
        return exact.compare(*draw_probe(pair, plan.small(), seed, number).outputs()), compared
    if not ones.identical:
        seen = at_ones(pair.reference)
        return exact.compare(seen.output, pair.run_candidate(seen.sample).detach()), compared
    variables = at_ones(pair.reference).gradients if ones.differing else ()
    return (), gradients.merge(compared, gradients.without(ones.differing, variables))


def _with_other_choices(pair: Pair, plan: Plan, seed: int, compared: Gradients) -> tuple[tuple[str, ...], Gradients]:
    """Return faults, and how gradients compare, on other masks and other whole numbers than a probe draws."""
    side, rounded, generator = pair.reference, pair.candidate.gain > 0, stream(seed, 0)
    drawn = samples.integers(side, plan.magnitude, generator)
    for sample in samples.with_other_choices(side, drawn):
        seen = observe(side, sample, partial(samples.whole_numbers, magnitude=plan.magnitude, generator=generator))
        faults, graph = _outputs_compared(pair, seen)
        if faults:
            return (f"with other masks or whole numbers, {faults[0]}", *faults[1:]), compared
        compared = gradients.merge(compared, gradients.compare(gradients.gradients_of(seen, graph, rounded=rounded)))
    return (), compared


def _notes(pair: Pair, error: float) -> Iterator[Finding]:
    """Yield notes on how the integers are drawn and compared, where that is not the usual way."""
    if error:
        rounded = f"exact: rounded to integers, next to which a transform lands within {error:.1e} < 1/2"
        yield Finding(Kind.EXACT, rounded)
    if any(statistic.eps is not None for statistic in pair.reference.statistics.values()):
        powers = " or ".join(f"{scale:g}" for scale in samples.SCALES)
        chosen = f"exact: running variances are chosen so that variance + eps is {powers}, whose roots are exact"
        yield Finding(Kind.EXACT, chosen)
