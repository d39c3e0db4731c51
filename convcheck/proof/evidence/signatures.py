"""Signatures of weights: the gradients of an entry on integer probes, which show its place in the candidate.

In a layer that is linear in its weights, the gradient of a weight depends on the input and the cotangent alone. So an
entry of the reference's weight and its place in the candidate's have the same gradient on the same probe, whatever the
weights are; for an entry that is copied to several places, it is the sum of theirs. An entry that never meets an input
has signature 0, which fits any place with signature 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.proof.observations import pull_back, stream
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rewriting.transplant import Move
from convcheck.sides import samples
from convcheck.sides.sample import Sample

PROBES = 4
MAGNITUDE, SMALL = 2**15, 2**9
"""float64 sums up to 2^23 products of two integers of magnitude 2^15 exactly. A transform, whose error grows with the
magnitude, gets small integers."""

# Odd, so that no bit of a signature is lost; sums of hashes, which wrap around, are hashes of sums.
_MULTIPLIER = 0x9E3779B97F4A7C15 - 2**64


def signatures(pair: Pair, seed: int) -> Sides[dict[str, Tensor]] | None:
    """Return a hash of every entry's gradients, by parameter, of both sides: int64, of the parameters' shapes.

    Return None without weights, if the reference is not linear in them, or if the outputs' shapes differ.

    Raises:
        CannotRunError: torch cannot run one of the sides.
    """
    reference, candidate = pair.reference, pair.candidate
    if reference.degree != 2 or not reference.parameters:
        return None
    magnitude = SMALL if candidate.gain else MAGNITUDE
    shapes = {name: tuple(parameter.shape) for name, parameter in candidate.module.named_parameters()}
    hashes: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
    for index in range(PROBES):
        generator = stream(seed, 500_009 + index)
        sample = samples.integers(reference, magnitude, generator)
        ours = {name: sample.parameters[name] for name in reference.parameters}
        theirs = {name: samples.whole_numbers(shape, 1, generator).requires_grad_() for name, shape in shapes.items()}
        outputs = reference.run(Sample(sample.inputs, ours)), candidate.run(Sample(sample.inputs, theirs))
        if outputs[0].shape != outputs[1].shape:
            return None
        cotangent = samples.whole_numbers(tuple(outputs[0].shape), magnitude, generator)
        for side, output, parameters in zip(hashes, outputs, (ours, theirs), strict=True):
            gradients = pull_back(output, list(parameters.values()), cotangent)
            for name, gradient in zip(parameters, gradients, strict=True):
                hashed = side.get(name, torch.zeros_like(gradient, dtype=torch.int64))
                side[name] = hashed * _MULTIPLIER + gradient.round().long()
    return Sides(*hashes)


def agrees(move: Move, ours: Tensor, theirs: Tensor) -> bool:
    """Tell whether a move takes the entries with signatures `ours` to places with signatures `theirs`.

    Both are int64, of the shapes of the reference's and the candidate's parameter. The signatures move backwards, as
    gradients do. Entries that this move does not take are not compared. What it scales is not taken as it is.
    """
    places = torch.arange(ours.numel()).reshape(ours.shape)
    if move.rounds or move.result() != tuple(theirs.shape):
        return False
    # Entries are numbered from 1, so that 0 marks the zeros that some moves add; some change the sign, too.
    numbers = move.forward({move.source: (places + 1).double()}).long().flatten()
    filled = numbers != 0
    sources, signs = numbers[filled].abs() - 1, numbers[filled].sign()
    back = torch.zeros(ours.numel(), dtype=torch.int64).index_add_(0, sources, signs * theirs.flatten()[filled])
    moved = torch.zeros(ours.numel(), dtype=torch.bool)
    moved[sources] = True
    return torch.equal(back[moved], ours.flatten()[moved])
