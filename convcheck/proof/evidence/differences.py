"""Describes how the outputs of a wrong candidate differ: where, and by what.

All tensors are outputs of one shape, in float64, that hold whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convcheck.sides.side import Side
from convcheck.sizes.places import unravelled

NEAR = 1e-9
"""Quotients of whole numbers whose relative difference is smaller are taken for equal."""

FARTHEST_SHIFT = 3
"""The largest shift that is tried, in positions."""

SHOWN = 6
"""How many places a sentence lists; it counts the others."""


def describe_differences(
    side: Side, parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    """Yield sentences on how two outputs of one shape, on integers, differ. `side` is the reference.

    The first explanation of the whole difference stands alone: zeros, a factor, a shift, another order of the entries,
    a constant. Without one, the sentences say where the outputs differ.
    """
    if not candidate.isfinite().all():
        yield "the candidate gives NaN or infinity"
        return
    if not candidate.any():
        yield "the candidate gives zeros only"
        return
    names = side.output_axes
    for explanation in (
        _factor(reference, candidate),
        _moved(names, reference, candidate),
        _reordered(names, reference, candidate),
        _constant(names, parameters, reference, candidate),
    ):
        if sentences := list(explanation):
            yield from sentences
            return
    yield from _differing_places(side, names, reference != candidate)


def _factor(reference: Tensor, candidate: Tensor) -> Iterator[str]:
    largest = unravelled(int(reference.abs().argmax()), reference.shape)
    factor = float(candidate[largest] / reference[largest])
    # What is nearer to 1 than that is no factor, but a little beside large numbers.
    near = torch.allclose(candidate, factor * reference, rtol=NEAR, atol=0) and abs(factor - 1) > NEAR
    if reference[largest] != 0 and near:
        yield f"the candidate is the reference times {factor:.12g} everywhere: a scale"


def _moved(names: Sequence[str], reference: Tensor, candidate: Tensor) -> Iterator[str]:
    sides = (reference, candidate)
    for axis, name in enumerate(names):
        length = reference.shape[axis]
        if torch.equal(candidate, reference.flip(axis)):
            yield f"the candidate is the reference, flipped along {name}"
            return
        for by in range(1, min(FARTHEST_SHIFT, length // 2) + 1) if name not in ("b", "o") else ():
            for shift, starts in ((by, (0, by)), (-by, (by, 0))):
                overlap = [side.narrow(axis, start, length - by) for side, start in zip(sides, starts, strict=True)]
                if torch.equal(*overlap):
                    yield (
                        f"the candidate is the reference, shifted by {shift} along {name}: a crop or padding is off "
                        f"by {by}"
                    )
                    return
        for other in range(axis + 1, len(names)):
            if reference.shape == reference.transpose(axis, other).shape and torch.equal(
                candidate, reference.transpose(axis, other)
            ):
                yield f"the candidate is the reference with {name} and {names[other]} swapped"
                return


def _reordered(names: Sequence[str], reference: Tensor, candidate: Tensor) -> Iterator[str]:
    for axis, name in enumerate(names):
        order = _order(reference.movedim(axis, 0), candidate.movedim(axis, 0))
        if order is not None:
            first = next(place for place, source in enumerate(order) if place != source)
            yield f"{name} is in another order: {name} = {first} holds what belongs to {name} = {order[first]}"
            return
    if torch.equal(reference.flatten().sort().values, candidate.flatten().sort().values):
        yield "the candidate holds the same numbers in another order"


def _order(reference: Tensor, candidate: Tensor) -> list[int] | None:
    """Return, for every row of the candidate, the number of the same row of the reference; None if rows differ.

    Both tensors are `[rows, ...]`.
    """
    length = len(reference)
    mix = torch.randint(-(2**63), 2**63 - 1, reference[0].shape, generator=torch.Generator().manual_seed(0))
    # Rows are matched by their hashes, `[rows]`.
    hashes = [(side.long() * mix).reshape(length, -1).sum(1) for side in (reference, candidate)]
    ours, theirs = (hashed.sort() for hashed in hashes)
    if not torch.equal(ours.values, theirs.values):
        return None
    order = torch.empty_like(ours.indices)
    order[theirs.indices] = ours.indices
    return order.tolist() if torch.equal(reference[order], candidate) else None


def _constant(
    names: Sequence[str], parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    gap = candidate - reference
    for axis in [names.index("o")] if "o" in names else range(reference.ndim):
        rows = gap.movedim(axis, 0).reshape(reference.shape[axis], -1)
        if rows.shape[1] < 2 or not torch.equal(rows, rows[:, :1].expand_as(rows)):
            continue
        by = rows[:, 0]
        biases = {name: tensor for name, tensor in parameters.items() if name.rpartition(".")[2] == "bias"}
        # Of a chain, the last bias is added to the output.
        causes = (_cause(name, bias, by) for name, bias in reversed(biases.items()) if bias.shape == by.shape)
        if cause := next(filter(None, causes), None):
            yield cause
        else:
            channel, place = ("channel", "channel") if names[axis] == "o" else (f"place along {names[axis]}", "place")
            numbers = ((number, float(by[number])) for number in by.nonzero().flatten().tolist())
            listed = _listed(f"{value:.12g} in {place} {number}" for number, value in numbers)
            yield f"the difference is one number a {channel}, as of a bias: {listed}"
        return


def _cause(name: str, bias: Tensor, by: Tensor) -> str | None:
    """Return what would explain a difference of `by`, `[channels]`, by a bias of that shape."""
    if torch.equal(by, -bias):
        return f"the candidate leaves out {name}"
    if torch.equal(by, bias):
        return f"the candidate adds {name} twice"
    if torch.equal((by + bias).sort().values, bias.sort().values):
        return f"the candidate adds {name} in another order"
    return None


def _differing_places(side: Side, names: Sequence[str], wrong: Tensor) -> Iterator[str]:
    """Say along which axes only some of the outputs differ: channels, groups, phases, borders.

    `wrong`, boolean and of the output's shape, is True where they do.
    """
    regions = []
    for axis, name in enumerate(names):
        places = _any_along(wrong, axis).nonzero().flatten().tolist()
        if len(places) < wrong.shape[axis]:
            regions.append(_describe_places(side, name, places, wrong.shape[axis]))
    if regions:
        yield f"outputs differ only {', '.join(regions)}"
        return
    # Every row meets a wrong frame; the equal outputs within it are a box.
    equal = ~wrong
    box = torch.ones_like(equal)
    for axis, name in enumerate(names):
        inside = _any_along(equal, axis)
        box &= inside.reshape([-1 if other == axis else 1 for other in range(wrong.ndim)])
        places = (~inside).nonzero().flatten().tolist()
        if places and len(places) < wrong.shape[axis]:
            regions.append(_describe_places(side, name, places, wrong.shape[axis]))
    if regions and torch.equal(equal, box):
        yield f"outputs differ only {', or '.join(regions)}"


def _any_along(mask: Tensor, axis: int) -> Tensor:
    """Return, for every position along an axis, whether the mask is True anywhere there: `[length]`."""
    others = [other for other in range(mask.ndim) if other != axis]
    return mask.any(dim=others) if others else mask


def _describe_places(side: Side, name: str, places: list[int], length: int) -> str:
    """Describe positions along the axis `name`, of `length`, in the terms of the layer."""
    if name == "o":
        groups = side.axis_sizes.get("g", 1)
        size = length // groups
        touched = sorted({channel // size for channel in places})
        if groups > 1 and len(places) == size * len(touched):
            return f"in the channels of group{'s' if len(touched) > 1 else ''} {_listed(touched)}"
        return f"in channel{'s' if len(places) > 1 else ''} {_listed(places)}"
    if len(places) == 1 and 0 < places[0] < length - 1:
        return f"at {name} = {places[0]}"
    others = [place for place in range(length) if place not in set(places)]
    if name != "b" and others[-1] - others[0] + 1 == len(others):
        # The other positions are contiguous, so these are the ends.
        ends = {"first": others[0], "last": length - 1 - others[-1]}
        text = " and ".join(f"the {end} {count}" for end, count in ends.items() if count)
        return f"at {text} of {length} along {name}"
    for period in _periods(side, name):
        phases = sorted({place % period for place in places})
        if len(phases) < period and len(places) == sum(place % period in phases for place in range(length)):
            return f"at {name} % {period} = {_listed(phases)}"
    return f"at {name} = {_listed(places)}"


def _periods(side: Side, name: str) -> Iterator[int]:
    if name in side.axis_periods:
        yield side.axis_periods[name]
    if name != "b":
        yield from (2, 3, 4)


def _listed(values: Iterable[object]) -> str:
    texts = [str(value) for value in values]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
