"""Describes what one side reads and the other does not: parameters, and positions of inputs, by their gradients."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from convcheck.proof.observations import pull_back
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.sides import samples
from convcheck.sides.sample import Sample

NOISE = 1e-9
"""A gradient that is smaller than this share of the largest one is rounding."""
DRAWS = 4
"""How often numbers are drawn: a ReLU may have no gradient in a whole channel of one draw."""


def describe_reads(pair: Pair, generator: torch.Generator) -> Iterator[str]:
    """Yield sentences on tensors of the reference that the two sides do not read alike, in float64.

    Yield none where outputs differ in shape, or gradients do not say what is read: beside a detach, or a map that is
    no sum of products.
    """
    if pair.black_box is not None or pair.mapping.bits is None or (pair.graphs and pair.graphs.hides_gradients):
        return
    read: dict[str, Sides[Tensor]] = {}
    for _ in range(DRAWS):
        drawn = samples.with_gradients(pair.reference, pair.balanced(generator))
        outputs = pair.run(drawn)
        if outputs[0].shape != outputs[1].shape:
            return
        first, second = (_read(output, drawn, generator) for output in outputs)
        here = {name: Sides(first[name], second[name]) for name in first}
        read = {name: _either(read.get(name, one), one) for name, one in here.items()}
    for name, both in read.items():
        ours, theirs = both.reference, both.candidate
        if not ours.any() or not theirs.any():
            if bool(ours.any()) != bool(theirs.any()):
                does, not_ = ("reference", "candidate") if ours.any() else ("candidate", "reference")
                yield f"the {not_}'s output does not depend on {name}, and the {does}'s does"
            continue
        for axis, length in enumerate(ours.shape):
            places = Sides(*(_places(mask, axis) for mask in (ours, theirs)))
            if places.reference != places.candidate:
                where = f"along axis {axis} of {name}, of length {length},"
                yield f"{where} the reference reads {places.reference}, and the candidate {places.candidate}"


def _read(output: Tensor, sample: Sample, generator: torch.Generator) -> dict[str, Tensor]:
    """Return which entries of the sample an output depends on, by name: boolean, of their shapes."""
    variables = sample.variables()
    cotangent = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    gradients = [gradient.abs() for gradient in pull_back(output, list(variables.values()), cotangent)]
    largest = max((float(gradient.max()) for gradient in gradients if gradient.numel()), default=0.0)
    return {name: gradient > NOISE * largest for name, gradient in zip(variables, gradients, strict=True)}


def _either(one: Sides[Tensor], other: Sides[Tensor]) -> Sides[Tensor]:
    return Sides(one.reference | other.reference, one.candidate | other.candidate)


def _places(read: Tensor, axis: int) -> str:
    """Return the positions along an axis at which anything is read, such as `0 to 7`."""
    places = read.movedim(axis, 0).reshape(read.shape[axis], -1).any(1).nonzero().flatten().tolist()
    first, last = places[0], places[-1]
    if len(places) == 1:
        return str(first)
    return f"{first} to {last}" if len(places) == last - first + 1 else f"{len(places)} places of {first} to {last}"
