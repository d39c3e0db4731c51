"""Estimates how long a proof takes from numbers alone, at the pace of this machine.

On one thread it is right to a factor of about three (`benchmarks/proof_duration.py`), and mostly too short. With many
threads the pace is theirs, and what a candidate does in Python is not: it may take longer.

A proof runs each side forwards and backwards at ones and at every probe, which is three times its multiplications, and
both sides once in the asked dtype. Where entries of a batch do not meet, that is on a part of it, see `batch`, but for
the run in the asked dtype, and another one of whole numbers. The reference runs four more times in float64, and six
where products may repeat. A transform is compared in float64 as well, and so is what integers cannot probe.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache

from convcheck.catalogue.claims import Claim
from convcheck.proof.batch import part_of
from convcheck.proof.memory import met

_PER_BYTE = 25
"""Multiplications that take as long as what is done with a byte of the proof's memory: it is drawn, moved, compared."""

SLOWEST = 200_000_000
"""No machine does fewer multiplications of a matrix product in a second."""

_SIZE, _TIMES = 512, 3


@cache
def pace(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how many multiplications of a float64 matrix product this machine does in a second; the best of three."""
    import torch

    matrix = torch.ones(_SIZE, _SIZE, dtype=torch.float64)
    seconds = []
    for _ in range(_TIMES):
        start = clock()
        torch.mm(matrix, matrix)
        seconds.append(clock() - start)
    return _SIZE**3 / max(min(seconds), 1e-6)


def work(claim: Claim) -> float:
    """Return how many multiplications of a matrix product take as long as the proof."""
    if claim.rewrite is None or claim.refusals:
        return 0.0
    case, rewrite = claim.case, claim.rewrite
    layer, shapes = case.layer, case.inputs
    reference = layer.macs(*shapes)
    slowness = rewrite.slowness(layer, *shapes) if rewrite.slowness else rewrite.relative_cost
    candidate = rewrite.macs(layer, *shapes) * slowness
    probed = probes(claim)
    measured = 2 if (rewrite.transform or not probed) and case.dtype != "float64" else 1
    if any(number < len(shapes) for number in layer.mask_inputs()):
        # With keys that it hides, too.
        measured += 2
    part = part_of(claim)
    share = 1.0 if part is None else part / shapes[0][0]
    in_both = 3 * (probed + 1) * share + (part is not None)
    in_reference = in_both + (4 + 6 * share) * measured
    return in_reference * reference + (in_both + measured) * candidate + _PER_BYTE * measured * met(claim)


def seconds(claim: Claim) -> float:
    """Return about how many seconds the proof takes on this machine."""
    return work(claim) / pace()


def probes(claim: Claim) -> int:
    """Return how many integer probes there are, unless sums are of very different lengths.

    What is no polynomial has none: it is probed in parts, which is not foretold.

    The longest sum is taken to be that of the smallest of inputs, outputs and weights, whose gradients are sums, too.
    """
    from convcheck.proof.evidence.probes import EXACT, largest_next_to_integers, probe_count, root

    layer, shapes = claim.case.layer, claim.case.inputs
    degree, transform = layer.degree(), claim.rewrite.transform if claim.rewrite else None
    # Gradients of one product are worth a probe.
    bilinear = degree == 2 and transform is None and not layer.statistics()
    if degree is None:
        return 0
    weights = [shape for name, shape in layer.parameters().items() if not name.endswith("bias")]
    sizes = map(math.prod, (*shapes, layer.output_shape(*shapes), *weights))
    magnitude = max(1, root(EXACT // max(1, layer.macs(*shapes) // min(sizes)), degree))
    if transform is not None:
        magnitude = min(magnitude, largest_next_to_integers(transform.gain(layer, *shapes)))
    return probe_count(degree, magnitude, bilinear=bilinear)


def write_duration(seconds: float) -> str:
    """Write a duration with one digit, as it is no closer: seconds below two minutes, then minutes, then hours."""
    size, unit = (1, "seconds") if seconds < 120 else (60, "minutes") if seconds < 7200 else (3600, "hours")
    place = 10 ** math.floor(math.log10(max(1.0, seconds / size)))
    return f"{round(seconds / size / place) * place} {unit}"
