"""All that integer probes can say of a pair: outputs, gradients, and how strong the probes were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from convcheck.proof.evidence import differences, exact, gradients, integers, samples, strength
from convcheck.proof.evidence.pair import Pair
from convcheck.results import Agreement, Exact, Finding, Gradients, Kind

HALF = 0.5


@dataclass(frozen=True)
class Logic:
    """`terms` is the most products in the sum of one output, 1 where there is none; `faults` are sentences.

    `seen` says of outputs that differ how they do, as far as that can be seen.
    """

    exact: Exact
    gradients: Gradients
    terms: int
    faults: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    seen: tuple[str, ...] = ()


def examine(pair: Pair, seed: int) -> Logic:
    """Probe a pair until a wrong one would have been found, or the first probe finds it."""
    degree = pair.layer.degree()
    if degree is None:
        note = _exact(f"not applicable, {pair.layer.kind} is no sum of products; float64 stands in for it")
        return Logic(Exact(), Gradients(), 1, (), (note, *_weaknesses_on_normals(pair, seed)))
    plan = integers.plan(pair, degree)
    found, fault, probes = None, None, 0
    notes: dict[Finding, None] = {}
    seen: tuple[str, ...] = ()
    if plan.error >= HALF:
        return Logic(
            Exact(), Gradients(), plan.terms, (), (_exact(f"no integers are small enough ({plan.error:.2g})"),)
        )
    if plan.error:
        notes[_exact(f"rounded to integers, next to which a transform lands within {plan.error:.1e} < 1/2")] = None
    if any(statistic.eps is not None for statistic in pair.layer.statistics().values()):
        powers = " or ".join(f"{scale:g}" for scale in samples.SCALES)
        notes[_exact(f"running variances are chosen so that variance + eps is {powers}, whose roots are exact")] = None
    for probe in integers.draw(pair, plan, seed):
        probes += 1
        fault = exact.compare(probe)
        pulled = gradients.pull(probe)
        compared = gradients.compare(pulled)
        found = gradients.merge(found, compared) if found else compared
        if probes == 1:
            slopes = {name: each.reference for name, each in pulled.items()}
            weak = strength.weaknesses(pair.layer, pair.shapes, probe.reference.detach(), slopes)
            notes |= dict.fromkeys(weak)
        if fault is not None:
            seen = _seen(pair, probe)
            break
    found = found or Gradients()
    faults = [Finding(Kind.EXACT, fault)] if fault is not None else []
    if found.status is Agreement.DIFFERENT:
        differing = " and ".join(gradients.differing(found))
        faults.append(Finding(Kind.GRADIENTS, f"the gradients of {differing} differ on integers"))
    outcome = Exact(Agreement.DIFFERENT, probes) if fault else Exact(Agreement.IDENTICAL, probes, plan.false_accept)
    return Logic(outcome, found, plan.terms, tuple(faults), tuple(notes), seen)


def _exact(note: str) -> Finding:
    return Finding(Kind.EXACT, f"exact: {note}")


def _weaknesses_on_normals(pair: Pair, seed: int) -> Iterator[Finding]:
    """Yield what a case leaves untested that no integers can probe."""
    generator = torch.Generator().manual_seed(seed)
    drawn = samples.normals(pair.layer, pair.shapes, {}, torch.float64, generator)
    point = drawn.mapped(lambda each: each if each.dtype == torch.bool else each.requires_grad_())
    output = pair.run_reference(point)
    variables = point.variables()
    cotangent = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    pulled = integers.pull_back(output, list(variables.values()), cotangent)
    yield from strength.weaknesses(pair.layer, pair.shapes, output.detach(), dict(zip(variables, pulled, strict=True)))


def _seen(pair: Pair, probe: integers.Probe) -> tuple[str, ...]:
    reference, candidate = probe.reference.detach(), probe.whole(probe.candidate.detach())
    if reference.shape != candidate.shape:
        return ()
    parameters = {name: each.detach() for name, each in probe.point.parameters.items()}
    return tuple(differences.describe(pair.layer, parameters, reference, candidate))
