"""Finds what no probe of a case could show of a wrong rewrite.

Some weaknesses follow from shapes alone: with one channel, or a patch of one position, several orders of axes are the
same. The others are observed on the reference: an entry whose gradient is always 0 meets no input, and where the
gradient of a weight never changes when two of its axes are swapped, or one is flipped, no input can detect that swap or
flip.

None of it is left to chance. At ones the gradient of a polynomial counts the products that an entry is in, so it is 0
for those alone that are in none. Swaps and flips are identities of polynomials, and count if they hold at as many
random integers as a proof takes; one that holds by chance is improbable by the same bound, see `probes`. A layer that
is no polynomial is observed at normal numbers: where a gradient that is 0 but for its rounding is 0 once, it is not so
again and again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import partial

import torch
from torch import Tensor

from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import other_numbers
from convcheck.proof.evidence.idle_buffers import idle_buffers
from convcheck.proof.evidence.probes import EXACT, probe_count, root
from convcheck.proof.observations import Observation, at_integers, at_ones, observe, remembered, stream
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind
from convcheck.sides import samples
from convcheck.sides.side import Side

NORMALS = 8
"""Samples of normal numbers, at most."""


def examine(context: Context) -> Evidence:
    """Return, as notes, what the case leaves untested."""
    pair, unused = context.pair, context.pair.graphs.unused() if context.pair.graphs is not None else frozenset()
    # Entries of a batch that are computed alike show alike what is not tested.
    part = pair.of_part

    def compute() -> tuple[Finding, ...]:
        return tuple(weaknesses(part.reference, observations(part, context.case.seed), unused))

    # They are the reference's, and of the candidate there is but the magnitude of the integers.
    key = ("weaknesses", part.sum_lengths, context.case.seed, unused)
    notes = [*remembered(part.reference, key, compute)]
    if unused:
        notes += [Finding(Kind.CODE, f"no output of the reference depends on {', '.join(sorted(unused))}")]
    if context.case.candidate is not None:
        # Code of the user's own may do something else where no numbers were drawn.
        seed = context.case.seed
        notes += map(_weak, (*other_numbers.unmet(pair, seed), *idle_buffers(pair, seed)))
    return Evidence(Agreement.NOT_APPLICABLE, notes=tuple(notes))


def observations(pair: Pair, seed: int) -> Iterator[Observation]:
    """Yield the reference at random integers and at ones; at normal numbers, if it is no polynomial.

    Both are those at which outputs and gradients were compared.
    """
    side = pair.reference
    if side.degree is None:
        parameters = {name: tensor.detach().double() for name, tensor in side.module.named_parameters()}
        for number in range(NORMALS):
            generator = stream(seed, number)
            sample = samples.normals(side, parameters, torch.float64, generator)
            normal = partial(torch.randn, generator=generator, dtype=torch.float64)
            yield observe(side, samples.with_gradients(side, sample), normal)
        return
    magnitude = max(1, root(EXACT // pair.sum_lengths.longest, side.degree))
    count = probe_count(side.degree, magnitude)
    # Most weights meet an input there, and none of their axes could be swapped.
    yield at_integers(side, magnitude, seed, 0)
    yield at_ones(side)
    yield from (at_integers(side, magnitude, seed, number) for number in range(1, count))


def weaknesses(side: Side, observed: Iterable[Observation], unused: Set[str] = frozenset()) -> Iterator[Finding]:
    """Yield, as notes, what shapes leave untested, and what all observations do; no more of them are made than needed.

    Their gradients are those of the inputs and parameters of `side` by name, of their shapes. Of `unused` parameters
    nothing could be tested.
    """
    unmet: dict[str, Tensor] = {}
    coincidences: dict[tuple[str, str], None] | None = None
    for seen in observed:
        output = seen.output
        gradients = {name: gradient for name, gradient in seen.gradients.items() if name not in unused}
        # Numbers at which they were seen may be as many.
        del seen
        unmet = {name: (gradient == 0) & unmet.get(name, True) for name, gradient in gradients.items()}
        texts = dict.fromkeys(_coincidences(side, output, gradients))
        # Of a large layer, what is looked at next has room then.
        del output, gradients
        coincidences = {key: None for key in texts if coincidences is None or key in coincidences}
        if not coincidences and not any(mask.any() for mask in unmet.values()):
            break
    yield from map(_weak, side.untested)
    silent = [(name, text) for name, mask in unmet.items() for text in _of_unmet(side, name, mask)]
    # What meets no input is symmetric in whatever way.
    names = {name for name, _ in silent}
    yield from (_weak(text) for name, text in coincidences or {} if name not in names)
    yield from (_weak(text) for _, text in silent)


def _weak(text: str) -> Finding:
    return Finding(Kind.STRENGTH, text, weak=True)


def _of_unmet(side: Side, name: str, unmet: Tensor) -> Iterator[str]:
    """Say how many entries of a variable meet no input; `unmet`, of its shape, is True for them."""
    count = int(unmet.sum())
    if name in side.parameters:
        if count:
            what = "none" if count == unmet.numel() else f"only {unmet.numel() - count}"
            yield f"{what} of {unmet.numel()} entries of {name} ever meet an input; a larger one would test the others"
    elif count == unmet.numel():
        # As the query and the key of one position, since a softmax over one score is 1.
        yield f"no output has a gradient in {name}"


def _coincidences(side: Side, output: Tensor, gradients: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Yield what an observation does not tell apart: the name of a variable, or nothing for the output, and a text."""
    if not output.any():
        yield "", "all outputs are zero"
    elif output.numel() > 1 and bool((output == output.flatten()[0]).all()):
        yield "", "all outputs are the same number"
    for name, gradient in gradients.items():
        if name in side.parameters:
            yield from ((name, text) for text in _of_parameter(side, name, gradient))


def _of_parameter(side: Side, name: str, gradient: Tensor) -> Iterator[str]:
    # Of the parts of an axis, such as groups and channels, the last one names it.
    axes = [group[-1] for group in side.parameter_axes[name]]
    for first, second in itertools.combinations(range(gradient.ndim), 2):
        if gradient.shape[first] == gradient.shape[second] > 1 and gradient.equal(gradient.transpose(first, second)):
            yield f"{axes[first]} and {axes[second]} of {name} could be swapped without a difference"
    for axis in range(gradient.ndim):
        # Of a large tensor its first and last entries tell most of the time.
        ends = gradient.select(axis, 0), gradient.select(axis, -1)
        if gradient.shape[axis] > 1 and torch.equal(*ends) and gradient.equal(gradient.flip(axis)):
            yield f"{name} could be flipped along {axes[axis]} without a difference"
