"""Probes what both sides make of whole numbers modulo primes, where operators that are no polynomials are drawn.

In place of softmax's exponential, an inverse, a root, a relu and so on a random function stands: equal arguments, equal
results. Where both outputs are then the same, they are the same polynomials of the results of the same functions of
arguments that are, in turn, the same: so they are equal whatever these functions are (congruence). Where they are not,
nothing follows: `relu(x) - relu(-x)` is `x` without being of its form.

Let all entries that go into functions be n, and polynomials between them of degree d. By Schwartz and Zippel two
different ones are equal at a number modulo p with a probability of at most d / p, and at all of k samples with that to
the k-th power; of the n^2 / 2 pairs of them, and an output, none is with a probability of n^2 times that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convcheck.proof import memory
from convcheck.proof.evidence import gradients
from convcheck.proof.evidence.probes import FALSE_ACCEPT
from convcheck.proof.observations import pull_back, stream
from convcheck.proof.pair import Pair
from convcheck.proof.parts import constants
from convcheck.proof.parts.counting import Counting
from convcheck.proof.parts.evaluate import Evaluation
from convcheck.proof.parts.fields import Field, Numbers, Unproven, Whole
from convcheck.proof.parts.graphs import traces_of
from convcheck.proof.parts.modular import Modular, canonical, reduced
from convcheck.results import Agreement, Exact, Gradients, Sides
from convcheck.rewriting.transplant import Transplant
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape
from convcheck.tracing.trace import Placeholder, Trace

LARGEST_MAGNITUDE = 2**20
LIKELIEST = 0.25
"""Where a wrong polynomial would pass a sample more often than this, it is given up."""

_COPIES = 6
"""Of a result that gradients flow through: it, what it was before it was brought below the prime, and what is saved."""


@dataclass(frozen=True)
class InParts:
    """What was found: both sides are the same, on so many samples, and at what they were cut."""

    exact: Exact
    gradients: Gradients
    cuts: tuple[str, ...]


def probe(pair: Pair, seed: int) -> InParts:
    """Return exact evidence in parts. Raises Unproven where there is none, which says nothing of the pair."""
    if pair.mapping.bits is None:
        raise Unproven("the map does more than move entries")
    traces = traces_of(pair)
    counting = Counting(LARGEST_MAGNITUDE)
    with torch.enable_grad():
        counted = _outputs(pair, traces, counting, (_draw(pair, _ones, stream(seed, 0)),))
        plan = _plan(counting, counted, seed)
        drawn = _samples(pair, plan, seed)
        modular = Modular(plan.primes, seed)
        outputs = _outputs(pair, traces, modular, drawn)
        if not _same(outputs, plan):
            raise Unproven("the parts differ")
        agreement = _gradients(pair, drawn, outputs, plan, seed)
        del outputs
    with torch.no_grad():
        for others in _other_choices(pair, drawn, seed):
            if not _same(_outputs(pair, traces, Modular(plan.primes, seed), others), plan):
                raise Unproven("the parts differ with other masks or whole numbers")
    return InParts(Exact(Agreement.IDENTICAL, len(plan.primes), plan.false_accept), agreement, tuple(modular.cuts))


@dataclass(frozen=True)
class _Plan:
    """A prime for every sample that is drawn freely, and of how many of them gradients are taken."""

    primes: tuple[int, ...]
    sloped: int
    false_accept: float


def _plan(counting: Counting, counted: Sides[Numbers], seed: int) -> _Plan:
    bound, both = 2 * counting.magnitude, (counted.reference, counted.candidate)
    least = constants.least(bound)
    chance = max(counting.degree, *(one.degree for one in both)) / least
    # A cotangent is one factor more.
    slope_chance = (1 + max(one.depth for one in both)) / least
    if max(chance, slope_chance) > LIKELIEST:
        raise Unproven("its degree is too high")
    pairs = counting.entries**2 / 2 + 1
    count = math.ceil(math.log(FALSE_ACCEPT / pairs) / math.log(chance))
    sloped = math.ceil(math.log(FALSE_ACCEPT) / math.log(slope_chance))
    try:
        primes = constants.primes(bound, frozenset(counting.squares), max(count, sloped), seed)
    except ValueError as error:
        raise Unproven(str(error)) from None
    needed = 8 * counting.size * (_COPIES * sloped + 1)
    if needed > memory.available() / 2:
        raise Unproven(f"it would take {memory.write_bytes(needed)} of memory")
    return _Plan(primes, sloped, pairs * chance ** len(primes))


def _ones(shape: Shape) -> Tensor:
    return torch.ones(shape, dtype=torch.float64)


def _samples(pair: Pair, plan: _Plan, seed: int) -> tuple[Sample, ...]:
    """Draw a sample modulo every prime, all with the same masks: what is hidden at one is hidden at all."""
    side = pair.reference
    drawn: list[Sample] = []
    for number, p in enumerate(plan.primes):
        generator = stream(seed, number)
        whole = partial(samples.whole_numbers, magnitude=(p - 1) // 2, generator=generator)
        sample = _draw(pair, whole, generator)
        drawn.append(_with_masks(side, sample, drawn[0]) if drawn else sample)
    return (*(samples.with_gradients(side, one) for one in drawn[: plan.sloped]), *drawn[plan.sloped :])


def _with_masks(side: Side, sample: Sample, other: Sample, numbers: frozenset[int] | None = None) -> Sample:
    """Return a sample with the masks, or the inputs of these numbers, of another one."""
    numbers = side.boolean_inputs if numbers is None else numbers
    inputs = (other.inputs[n] if n in numbers else tensor for n, tensor in enumerate(sample.inputs))
    return Sample(tuple(inputs), sample.parameters)


def _other_choices(pair: Pair, drawn: Sequence[Sample], seed: int) -> Iterator[tuple[Sample, ...]]:
    """Yield the samples with other masks, other whole numbers, and masks of numbers that hide keys."""
    side, generator = pair.reference, stream(seed, 800_011)
    chosen = side.boolean_inputs | frozenset(side.whole_inputs)
    detached = [one.mapped(Tensor.detach) for one in drawn]
    for choice in samples.with_other_choices(side, detached[0]):
        yield tuple(_with_masks(side, one, choice, chosen) for one in detached)
    if hiding := side.mask_inputs - side.boolean_inputs:
        for every in (False, True):
            hidden = samples.with_hidden_keys(side, detached[0], generator, all_from_one=every)
            yield tuple(_hiding(one, hidden, hiding) for one in detached)


def _hiding(sample: Sample, hidden: Sample, masks: frozenset[int]) -> Sample:
    """Return a sample whose masks of numbers hide what those of another one hide."""
    inputs = (
        tensor.masked_fill(hidden.inputs[n].isinf(), -math.inf) if n in masks else tensor
        for n, tensor in enumerate(sample.inputs)
    )
    return Sample(tuple(inputs), sample.parameters)


def _draw(pair: Pair, draw: samples.Draw, generator: torch.Generator) -> Sample:
    return samples.draw_sample(
        pair.reference,
        draw=draw,
        mask=partial(samples.masks, generator=generator),
        means=draw,
        variances=lambda shape, _eps: draw(shape),
        generator=generator,
    )


def _outputs(pair: Pair, traces: Sides[Trace], field: Field, drawn: Sequence[Sample]) -> Sides[Numbers]:
    """Compute both sides in a field."""
    inputs = [_joined([one.inputs[number] for one in drawn]) for number in range(len(drawn[0].inputs))]
    tensors = {name: _joined([one.parameters[name] for one in drawn]) for name in drawn[0].parameters}
    return Sides(
        _output(traces.reference, field, inputs, tensors),
        _output(traces.candidate, field, inputs, _mapped(pair.mapping, field, tensors)),
    )


def _output(trace: Trace, field: Field, inputs: Sequence[Any], tensors: Mapping[str, Any]) -> Numbers:
    def argument(one: Placeholder) -> Any:
        if one.kind == "input":
            return inputs[int(one.name)]
        name = next((name for name in one.names if name in tensors and one.kind != "constant"), None)
        if name is None and one.value is None:
            raise Unproven(f"nothing is mapped to {one.name}")
        return one.value if name is None else tensors[name]

    output = Evaluation(trace, field, frozenset(tensors)).run(*map(argument, trace.placeholders))
    if not isinstance(output, Numbers):
        raise Unproven("an output does not vary")
    return output


def _joined(tensors: Sequence[Tensor]) -> Numbers | Whole:
    if not tensors[0].is_floating_point():
        return Whole(tuple(tensors))
    return Numbers(tuple(tensors), infinite=any(bool(one.isinf().any()) for one in tensors))


def _mapped(mapping: Transplant, field: Field, tensors: Mapping[str, Any]) -> dict[str, Numbers]:
    """Return the candidate's tensors: whole numbers over a power of two."""
    names, targets, bits = list(tensors), list(mapping.shapes()), mapping.bits or 0

    def moved(by: Transplant) -> Callable[..., list[Tensor]]:
        def move(*given: Tensor) -> list[Tensor]:
            made = by.forward(dict(zip(names, given, strict=True)))
            return [made[name] * 2**bits for name in targets]

        return move

    if not targets:
        return {}
    made = field.run(moved(mapping), list(tensors.values()), mapping.degree, moved(mapping.positive()))
    if bits:
        made = [field.scale(one, 2.0**bits, inverse=True) for one in made]
    return dict(zip(targets, made, strict=True))


def _same(outputs: Sides[Numbers], plan: _Plan) -> bool:
    """Tell whether both outputs are the same at all samples, and are numbers somewhere."""
    both = [
        [canonical(one, p) for one, p in zip(side.samples, plan.primes, strict=True)]
        for side in (outputs.reference, outputs.candidate)
    ]
    if not any(bool(one.isfinite().any()) for one in both[0]):
        raise Unproven("no output is a number")
    return all(
        one.shape == other.shape and torch.allclose(one, other, 0.0, 0.0, equal_nan=True)
        for one, other in zip(*both, strict=True)
    )


def _gradients(pair: Pair, drawn: Sequence[Sample], outputs: Sides[Numbers], plan: _Plan, seed: int) -> Gradients:
    """Compare gradients modulo the primes; of those that differ nothing is known."""
    if pair.graphs is not None and (pair.graphs.hides_gradients or pair.graphs.own_backward):
        return Gradients()
    compared = Gradients()
    for number, p in enumerate(plan.primes[: plan.sloped]):
        both = [side.samples[number] for side in (outputs.reference, outputs.candidate)]
        cotangent = samples.whole_numbers(tuple(both[0].shape), (p - 1) // 2, stream(seed, 700_001 + number))
        variables = drawn[number].variables()
        slopes = [
            [canonical(reduced(one, p), p) for one in pull_back(side, list(variables.values()), cotangent)]
            for side in both
        ]
        sides = {name: Sides(*pair) for name, *pair in zip(variables, *slopes, strict=True)}
        compared = gradients.merge(compared, gradients.compare(sides))
    return gradients.only(Agreement.IDENTICAL, compared)
