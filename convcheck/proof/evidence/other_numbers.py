"""Compares sides of the user's own where they may do something else: on other pieces, other signs, and other choices.

Behind a threshold a module may compute what it does nowhere else. Where graphs are known, numbers are scaled until they
have met both sides of every threshold and mask, and what they do not meet is named. Of a black box nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from convcheck.proof.evidence import rounding
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import torch_may_refuse

if TYPE_CHECKING:
    from convcheck.tracing.pieces import Piece

DRAWN = 500_009
"""The stream of the numbers that are changed."""

LADDER = (8.0, 64.0, 2.0**-10, 2.0**10, 2.0**20)
"""By what inputs, or parameters, are multiplied until they are beyond every threshold."""

SHOWN = 3
"""How many pieces that nothing met are named."""


@dataclass(frozen=True)
class Change:
    """Other numbers: a sentence on where they differ from drawn ones."""

    where: str
    change: Callable[[Sample], Sample]
    special: bool = False
    """Whether a side that gives NaN there, where the other one does not, is another function."""


def _inputs(where: str, change: Callable[[Tensor], Tensor], *, special: bool = False) -> Change:
    def changed(sample: Sample) -> Sample:
        return replace(sample, inputs=tuple(map(_of_floats(change), sample.inputs)))

    return Change(where, changed, special)


def _of_floats(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda tensor: change(tensor) if tensor.is_floating_point() else tensor


def _times(factor: float, *, parameters: bool) -> Change:
    if not parameters:
        return _inputs(f"inputs are {factor:g} times as large", lambda tensor: tensor * factor)

    def changed(sample: Sample) -> Sample:
        scaled = {name: tensor * factor for name, tensor in sample.parameters.items()}
        return replace(sample, parameters=scaled)

    return Change(f"parameters are {factor:g} times as large", changed)


def _negative(tensor: Tensor) -> Tensor:
    return -tensor.abs()


SIGNS = (
    _inputs("all inputs are positive", torch.abs),
    _inputs("all inputs are negative", _negative),
)
CONSTANT = (
    _inputs("all inputs are zero", torch.zeros_like, special=True),
    _inputs("all entries of an input are the same", torch.ones_like, special=True),
)
SCALES = tuple(_times(factor, parameters=parameters) for factor in LADDER for parameters in (False, True))
EVERY_SCALE = tuple(
    _times(factor, parameters=parameters) for factor in (*LADDER, 2.0**-20) for parameters in (False, True)
)
BLACK_BOX = tuple(_times(factor, parameters=False) for factor in (1 / 16, 16.0))
COMPUTED = tuple(_times(factor, parameters=True) for factor in (1 / 16, 16.0, 2.0**10, 2.0**20))
"""Of parameters that a function computes, of which nothing is known either."""


def _signs(pair: Pair) -> tuple[Change, ...]:
    """Return the signs of inputs, and those of parameters: a maximum of numbers that are all negative shows a zero.

    Statistics keep theirs, since a variance has no other.
    """

    def of_parameters(where: str, change: Callable[[Tensor], Tensor]) -> Change:
        def changed(sample: Sample) -> Sample:
            parameters = {
                name: tensor if name in pair.reference.statistics else change(tensor)
                for name, tensor in sample.parameters.items()
            }
            return replace(sample, parameters=parameters)

        return Change(where, changed)

    return (
        *SIGNS,
        of_parameters("all parameters are positive", torch.abs),
        of_parameters("all parameters are negative", _negative),
    )


def faults(pair: Pair, seed: int) -> tuple[str, ...]:
    """Return sentences on the first numbers on which both sides differ by more than rounding explains."""
    drawn = pair.balanced(stream(seed, DRAWN))
    for where, sample, special in _samples(pair, drawn):
        if texts := _differences(pair, sample, special=special):
            first, *others = texts
            return f"where {where}, {first}", *others
    return ()


def unmet(pair: Pair, seed: int) -> Iterator[str]:
    """Yield what no numbers met, or that this is not known."""
    if pair.black_box is not None:
        yield "a black box may do something else on other numbers than were drawn"
    if pair.graphs is None or pair.black_box is not None:
        return
    yield from pair.graphs.elsewhere
    direct = pair.graphs.index_limits()
    for number, below in pair.reference.whole_inputs.items():
        if below > samples.MOST_CHOICES and number not in direct:
            yield f"whole numbers of input {number} were drawn below {below}, and not all of them"
    drawn = pair.balanced(stream(seed, DRAWN))
    changes = (*_signs(pair), *CONSTANT, *SCALES)
    every = [drawn, *(one.change(drawn) for one in changes), *samples.with_other_choices(pair.reference, drawn)]
    met: dict[Piece, bool] = {}
    for sample in every:
        for piece, is_met in pair.graphs.pieces(pair.mapping, sample):
            met[piece] = met.get(piece, False) or is_met
    missed = dict.fromkeys(str(piece) for piece, is_met in met.items() if not is_met)
    for text in list(missed)[:SHOWN]:
        yield f"no numbers that were drawn met one side of {text}"


def _samples(pair: Pair, drawn: Sample) -> Iterator[tuple[str, Sample, bool]]:
    """Yield other numbers, and where they are others; those on a ladder only where they meet new pieces."""
    for sample in samples.with_other_choices(pair.reference, drawn):
        yield "masks or whole numbers are others", sample, True
    known = pair.graphs is not None and pair.black_box is None
    for one in (*(() if known else (*_signs(pair), *BLACK_BOX)), *(COMPUTED if pair.mapping.bits is None else ())):
        yield one.where, one.change(drawn), one.special
    if not known:
        return
    assert pair.graphs is not None
    met: set[Piece] = set()
    for one in (*_signs(pair), *CONSTANT, *SCALES):
        sample = one.change(drawn)
        new = {piece for piece, is_met in pair.graphs.pieces(pair.mapping, sample) if is_met}
        if one not in SCALES or new - met:
            yield one.where, sample, one.special
        met |= new


def _differences(pair: Pair, sample: Sample, *, special: bool) -> tuple[str, ...]:
    """Return sentences on how outputs differ in float64, by more than the bound where both are finite."""
    assert pair.analysis is not None
    unit = arithmetic(torch.float64, torch.device("cpu"))
    with torch_may_refuse(), torch.no_grad():
        outputs = Sides(*pair.run(sample))
        if outputs.reference.shape != outputs.candidate.shape:
            return ()
        finite = Sides(outputs.reference.isfinite(), outputs.candidate.isfinite())
        if special and not torch.equal(finite.reference, finite.candidate):
            names = [name for name in ("reference", "candidate") if not bool(getattr(finite, name).all())]
            return (f"the output of the {' and the '.join(names)} holds NaN or infinity, and not in the same places",)
        both = finite.reference & finite.candidate
        limit = pair.analysis(sample, unit).nan_to_num(torch.inf, torch.inf)
        compared = Sides(*(torch.where(both, side, 0.0) for side in (outputs.reference, outputs.candidate)))
    if rounding.within(compared, limit):
        return ()
    deviation = rounding.deviation(compared, limit, unit)
    worst = deviation.worst
    assert worst is not None
    times = f"{deviation.ratio:.3g} times " if deviation.ratio is not None else "beyond "
    return (
        f"the error in float64 is {times}what rounding explains",
        f"the worst is at {list(worst.at)}: {worst.values.reference:.9g} against {worst.values.candidate:.9g}",
    )
