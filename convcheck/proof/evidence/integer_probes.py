"""Probes a pair with integers: compares outputs and gradients, and notes what the probes could not show."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import exact, gradients, strength
from convcheck.proof.evidence.probes import draw_probe, make_plan
from convcheck.proof.pair import Pair, pull_back
from convcheck.results import Agreement, Exact, Finding, Gradients, Kind
from convcheck.sides import samples

HALF = 0.5


def examine(context: Context) -> Evidence:
    """Probe both sides until one probe finds a difference, or a wrong candidate is improbable enough."""
    return probe(context.pair, context.case.seed)


def probe(pair: Pair, seed: int) -> Evidence:
    """Return the evidence of integer probes for a pair alone; its details are `exact` and `gradients`."""
    reference = pair.reference
    if reference.degree is None:
        stand_in = f"exact: not applicable, {reference.name} is no sum of products; float64 stands in for it"
        notes = (Finding(Kind.EXACT, stand_in), *_weaknesses_on_normals(pair, seed))
        return Evidence(Agreement.NOT_APPLICABLE, notes=notes)
    plan = make_plan(pair, reference.degree)
    if plan.error >= HALF:
        too_large = Finding(Kind.EXACT, f"exact: no integers are small enough ({plan.error:.2g})")
        return Evidence(Agreement.NOT_APPLICABLE, notes=(too_large,))
    notes = tuple(_notes(pair, plan.error))
    compared, probes = Gradients(), 0
    faults: tuple[str, ...] = ()
    while not faults and probes < plan.probes:
        drawn = draw_probe(pair, plan, seed, probes)
        faults, pulled = exact.compare(drawn), gradients.gradients_of(drawn)
        compared = gradients.merge(compared, gradients.compare(pulled))
        if probes == 0:
            slopes = {name: both.reference for name, both in pulled.items()}
            weak = strength.weaknesses(reference, drawn.reference.detach(), slopes)
            notes = tuple(dict.fromkeys((*notes, *weak)))
        probes += 1
    findings = [Finding(Kind.EXACT, text) for text in faults]
    if differing := gradients.differing(compared):
        findings.append(Finding(Kind.GRADIENTS, f"the gradients of {' and '.join(differing)} differ on integers"))
    status = Agreement.DIFFERENT if faults else Agreement.IDENTICAL
    details = {
        "exact": Exact(status, probes, None if faults else plan.false_accept),
        "gradients": compared,
    }
    return Evidence(status, tuple(findings), notes, details)


def _notes(pair: Pair, error: float) -> Iterator[Finding]:
    """Yield notes on how the integers are drawn and compared, where that is not the usual way."""
    if error:
        rounded = f"exact: rounded to integers, next to which a transform lands within {error:.1e} < 1/2"
        yield Finding(Kind.EXACT, rounded)
    if any(statistic.eps is not None for statistic in pair.reference.statistics.values()):
        powers = " or ".join(f"{scale:g}" for scale in samples.SCALES)
        chosen = f"exact: running variances are chosen so that variance + eps is {powers}, whose roots are exact"
        yield Finding(Kind.EXACT, chosen)


def _weaknesses_on_normals(pair: Pair, seed: int) -> Iterator[Finding]:
    """Yield what a case leaves untested, as measured on normal numbers, for a layer that integers cannot probe."""
    generator = torch.Generator().manual_seed(seed)
    sample = samples.normals(pair.reference, {}, torch.float64, generator).mapped(torch.Tensor.requires_grad_)
    output = pair.run_reference(sample)
    variables = sample.variables()
    cotangent = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    slopes = pull_back(output, list(variables.values()), cotangent)
    yield from strength.weaknesses(pair.reference, output.detach(), dict(zip(variables, slopes, strict=True)))
