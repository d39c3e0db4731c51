"""Probes a pair with integers: compares outputs and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import exact, gradients, in_parts, whole_batch
from convcheck.proof.evidence.probes import EXACT, Plan, draw_probe, make_plan
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
    whole, pair = pair, pair.of_part
    where = "" if whole.part is None else f" of the first {whole.part} of {whole.reference.inputs[0][0]} in the batch"
    reference = pair.reference
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
        drawn = draw_probe(pair, plan, seed, probes)
        faults = exact.compare(drawn, where)
        compared = gradients.merge(compared, gradients.compare(gradients.gradients_of(drawn)))
        probes += 1
        # The next probe takes as much memory again.
        del drawn
    if not faults and not plan.error:
        # Beside numbers near 2^53 a small constant would be rounded away.
        faults = exact.compare(draw_probe(pair, plan.small(), seed, probes), where)
    if not faults and whole is not pair:
        faults = exact.compare(whole_batch.draw_whole(whole, plan, seed))
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


def _with_other_choices(pair: Pair, plan: Plan, seed: int, compared: Gradients) -> tuple[tuple[str, ...], Gradients]:
    """Return faults, and how gradients compare, on other masks and other whole numbers than a probe draws."""
    probe = draw_probe(pair, plan, seed, 0)
    for sample in samples.with_other_choices(pair.reference, probe.sample):
        reference, candidate = pair.run(sample)
        other = replace(probe, sample=sample, reference=reference, candidate=candidate)
        if faults := exact.compare(other):
            return (f"with other masks or whole numbers, {faults[0]}", *faults[1:]), compared
        compared = gradients.merge(compared, gradients.compare(gradients.gradients_of(other)))
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
