"""Compares both sides in float64 on drawn numbers, where integers cannot find every fault.

A softmax is no polynomial, and after a transform integer probes are rounded, which hides small faults. Float64 stands
in: its bound is so far below the outputs that a fault shows, unless the numbers hide it, as weights of zeros or 1e-20
do, and a softmax of equal scores, or of one that outweighs the others. So they are drawn, whatever weights a case
brings. On those both sides have to agree in float64, too, and where a mask hides keys, even every key from a query.

A tolerance is for the asked dtype alone. The device is the CPU, as for integers: this is about the function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from convcheck.config.case import Case
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import finite, other_numbers
from convcheck.proof.evidence.exact import unlike_shapes
from convcheck.proof.evidence.floating_point import Measurement, draw, idle, in_float64, measure
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.proof.real_weights import with_real_weights
from convcheck.results import Agreement, Finding, Kind
from convcheck.sides import samples
from convcheck.sides.side import torch_may_refuse

DRAWS, WITHOUT_EXACT = 4, 24
"""On how many draws sides of the user's own are compared: where exact probes say as much, and where nothing else does.

What is hidden unless three numbers have one sign shows in one draw of eight.
"""

FEW, FLOAT32 = 16, 2.0**-24
"""How many roundings to float32 a constant may have behind it, and how much of itself each may change."""

SHARP = 2.0**-20
"""The share of the outputs, on average, up to which a bound carries `equal`: a millionth, so that a single entry of a
million whose bound is as large as itself is too much."""


def examine(context: Context) -> Evidence:
    """Compare both sides in float64 by the derived bound: on drawn numbers, and on the weights that a case brings."""
    pair, case = context.pair, context.case
    probed = context.result.exact.status is not Agreement.NOT_APPLICABLE
    if probed and pair.reference.degree is not None and pair.candidate.transform_error is None:
        return Evidence(Agreement.NOT_APPLICABLE)
    evidence = _examine(context)
    by_float64 = case.candidate is not None and not probed and pair.black_box is None
    return replace(evidence, details={"evidence": "float64"}) if by_float64 else evidence


def _examine(context: Context) -> Evidence:
    pair, case = context.pair, context.case
    is_exact = context.result.exact.status is Agreement.IDENTICAL
    draws = DRAWS if is_exact else WITHOUT_EXACT
    faults, drawn = _faults(pair, case, draws)
    if faults and _is_one_program(pair, case) and not _faults(_with_rounded_constants(pair), case, draws)[0]:
        text = "in float32 the sides are identical, and in float64 as near as constants rounded to float32 have them"
        return Evidence(Agreement.IDENTICAL, (), (Finding(Kind.ROUNDING, text),))
    if faults:
        return _evidence(faults)
    if not is_exact and not _is_sharp(drawn):
        return Evidence(Agreement.NOT_APPLICABLE, (Finding(Kind.INCONCLUSIVE, _inconclusive(drawn)),))
    if case.weights is None or case.dtype == "float64":
        return _evidence([])
    wide = in_float64(case)
    given = with_real_weights(draw(pair, wide), case)
    if any(finite.faults(given)):
        # Which they are is a fault of the run in the asked dtype.
        return _evidence([])
    real = measure(pair, wide, given)
    loose = idle(wide, real)
    return _evidence(real.faults, [f"{loose}; what tells is that both agree on drawn weights"] if loose else [])


def agree(pair: Pair, case: Case) -> bool:
    """Tell whether both sides agree in float64 on all numbers that are drawn. Raises CannotRunError as `measure`."""
    return not _faults(pair, case, WITHOUT_EXACT)[0]


def _faults(pair: Pair, case: Case, draws: int) -> tuple[Sequence[str], Measurement]:
    """Return sentences on where both sides first differ, if they do, and the last measurement on drawn numbers."""
    for drawn in _measure_again_and_again(pair, case, draws if case.candidate is not None else 1):
        if drawn.shapes.reference != drawn.shapes.candidate:
            return (unlike_shapes(drawn.shapes.reference, drawn.shapes.candidate),), drawn
        if drawn.faults:
            first, *others = drawn.faults
            return (first if case.weights is None else f"on drawn weights, {first}", *others), drawn
    for what, measured in _measure_hidden(pair, case):
        if measured.faults:
            first, *others = measured.faults
            return (f"where the mask hides {what} from a query, {first}", *others), drawn
    own = case.candidate is not None and pair.analysis is not None
    return other_numbers.faults(pair, case.seed) if own else (), drawn


def _is_one_program(pair: Pair, case: Case) -> bool:
    """Tell whether code of the user's own gives the same bit for bit in float32, on small and on large numbers."""
    if case.candidate is None or case.dtype == "float64" or pair.graphs is None or pair.analysis is None:
        return False
    drawn = pair.balanced(stream(case.seed, 500_009))
    for sample in (drawn, *(scale.change(drawn) for scale in other_numbers.EVERY_SCALE)):
        with torch_may_refuse(), torch.no_grad():
            ours, theirs = pair.run(sample.to(torch.device("cpu"), torch.float32))
        if ours.shape != theirs.shape or not bool(((ours == theirs) | (ours.isnan() & theirs.isnan())).all()):
            return False
    return True


def _with_rounded_constants(pair: Pair) -> Pair:
    """Return the pair with bounds as if constants of its code had been computed in float32, by a few operations."""
    analysis = pair.analysis
    assert analysis is not None
    return replace(pair, analysis=lambda sample, unit: analysis(sample, replace(unit, constants=FEW * FLOAT32)))


def measure_drawn(pair: Pair, case: Case) -> Measurement:
    """Run both sides in float64 on drawn numbers, and compare. Raises CannotRunError as `measure` does."""
    return measure(pair, in_float64(case), pair.balanced(stream(case.seed, 500_009)))


def _measure_again_and_again(pair: Pair, case: Case, draws: int) -> Iterator[Measurement]:
    """Do as `measure_drawn`, with other numbers each time where code of the user's own may do other things on them."""
    yield measure_drawn(pair, case)
    for number in range(1, draws):
        yield measure(pair, in_float64(case), pair.balanced(stream(case.seed, 500_009 + number)))


def _measure_hidden(pair: Pair, case: Case) -> Iterator[tuple[str, Measurement]]:
    """Do as `measure_drawn` where a mask, if there is one, hides what is told first."""
    if not any(number < len(pair.reference.inputs) for number in pair.reference.mask_inputs):
        return
    generator = stream(case.seed, 500_009)
    drawn = pair.balanced(generator)
    for what, every in (("some keys", False), ("every key", True)):
        hiding = samples.with_hidden_keys(pair.reference, drawn, generator, all_from_one=every)
        yield what, measure(pair, in_float64(case), hiding)


def _evidence(faults: Sequence[str], weaknesses: Sequence[str] = ()) -> Evidence:
    findings = tuple(Finding(Kind.ROUNDING, text) for text in faults)
    notes = tuple(Finding(Kind.ROUNDING, text, weak=True) for text in weaknesses)
    return Evidence(Agreement.DIFFERENT if findings else Agreement.IDENTICAL, findings, notes)


def _is_sharp(drawn: Measurement) -> bool:
    """Tell whether the bound would show a fault."""
    return drawn.looseness is not None and drawn.looseness <= SHARP


def _inconclusive(drawn: Measurement) -> str:
    bound = "all outputs are zero" if drawn.looseness is None else f"the bound is {drawn.looseness:.3g} of the outputs"
    return (
        f"inconclusive: there is no exact argument, and in float64 {bound}, where at most {SHARP:.2g} carries a verdict"
    )
