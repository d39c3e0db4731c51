"""What can be seen of a wrong candidate by its outputs alone: where they differ, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convcheck.sides.side import Side

NEAR = 1e-9
"""Relative: two quotients of whole numbers that are closer than this are taken for one."""

FARTHEST_SHIFT = 3
SHOWN = 6


def describe_differences(
    side: Side, parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    """Yield sentences on how the candidate's output differs from the reference's, of the same shape, on integers.

    The first thing that explains all of the difference is said alone: zeros, a factor, a shift, another order of the
    entries, a constant. Otherwise, where the outputs differ.
    """
    names = side.output_axes
    if not candidate.isfinite().all():
        yield "the candidate gives NaN or infinity"
        return
    for whole in (_zeros, _factor, _moved, _reordered, _constant):
        sentences = list(whole(names, parameters, reference, candidate))
        if sentences:
            yield from sentences
            return
    yield from _where(side, names, reference != candidate)


def _zeros(
    _names: Sequence[str], _parameters: Mapping[str, Tensor], _reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    if not candidate.any():
        yield "the candidate gives zeros only"


def _factor(
    _names: Sequence[str], _parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    at = torch.unravel_index(reference.abs().argmax(), reference.shape)
    factor = float(candidate[at] / reference[at])
    if reference[at] != 0 and torch.allclose(candidate, factor * reference, rtol=NEAR, atol=0):
        yield f"the candidate is the reference times {factor:.12g} everywhere: a scale"


def _moved(
    names: Sequence[str], _parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    sides = (reference, candidate)
    for axis, name in enumerate(names):
        length = reference.shape[axis]
        if torch.equal(candidate, reference.flip(axis)):
            yield f"the candidate is the reference, flipped along {name}"
            return
        for by in range(1, min(FARTHEST_SHIFT, length // 2) + 1) if name not in ("b", "o") else ():
            for shift, starts in ((by, (0, by)), (-by, (by, 0))):
                kept = [side.narrow(axis, start, length - by) for side, start in zip(sides, starts, strict=True)]
                if torch.equal(*kept):
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


def _reordered(
    names: Sequence[str], _parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    for axis, name in enumerate(names):
        order = _order(reference.movedim(axis, 0), candidate.movedim(axis, 0))
        if order is not None:
            first = next(place for place, source in enumerate(order) if place != source)
            yield f"{name} is in another order: {name} = {first} holds what belongs to {name} = {order[first]}"
            return
    if torch.equal(reference.flatten().sort().values, candidate.flatten().sort().values):
        yield "the candidate holds the same numbers in another order"


def _order(reference: Tensor, candidate: Tensor) -> list[int] | None:
    """Return which row of the reference every row of the candidate is, if it is a permutation of them."""
    length = len(reference)
    mix = torch.randint(-(2**63), 2**63 - 1, reference[0].shape, generator=torch.Generator().manual_seed(0))
    # A number for every row, by which equal rows are found.
    ours, theirs = ((side.long() * mix).reshape(length, -1).sum(1) for side in (reference, candidate))
    (ours, own), (theirs, other) = ours.sort(), theirs.sort()
    if not torch.equal(ours, theirs):
        return None
    order = torch.empty_like(own)
    order[other] = own
    return order.tolist() if torch.equal(reference[order], candidate) else None


def _constant(
    names: Sequence[str], parameters: Mapping[str, Tensor], reference: Tensor, candidate: Tensor
) -> Iterator[str]:
    if "o" not in names or reference.ndim < 2:
        return
    channel = names.index("o")
    gap = (candidate - reference).movedim(channel, 0).flatten(1)
    if gap.shape[1] < 2 or not torch.equal(gap, gap[:, :1].expand_as(gap)):
        return
    by, biases = gap[:, 0], [each for name, each in parameters.items() if name.rpartition(".")[2] == "bias"]
    yield "the difference is one number a channel, as of a bias: " + _listed(
        f"{int(by[number])} in channel {number}" for number in by.nonzero().flatten().tolist()
    )
    for bias in biases[-1:]:
        if bias.shape == by.shape:
            if torch.equal(by, -bias):
                yield "that is the bias, which the candidate leaves out"
            elif torch.equal(by, bias):
                yield "that is the bias, which the candidate adds twice"
            elif torch.equal((by + bias).sort().values, bias.sort().values):
                yield "the candidate adds the bias in another order"


def _where(side: Side, names: Sequence[str], wrong: Tensor) -> Iterator[str]:
    """Say along which axes only some of the outputs differ: channels, groups, phases, borders."""
    places = []
    for axis, name in enumerate(names):
        at = _along(wrong, axis).nonzero().flatten().tolist()
        if len(at) < wrong.shape[axis]:
            places.append(_some(side, name, at, wrong.shape[axis]))
    if places:
        yield f"outputs differ only {', '.join(places)}"
        return
    # A frame has something wrong in every row; what is right within it is a box.
    right = ~wrong
    inner = torch.ones_like(right)
    for axis, name in enumerate(names):
        kept = _along(right, axis)
        inner &= kept.reshape([-1 if each == axis else 1 for each in range(wrong.ndim)])
        at = (~kept).nonzero().flatten().tolist()
        if at and len(at) < wrong.shape[axis]:
            places.append(_some(side, name, at, wrong.shape[axis]))
    if places and torch.equal(right, inner):
        yield f"outputs differ only {', or '.join(places)}"


def _along(found: Tensor, axis: int) -> Tensor:
    """Return, for every position along an axis, whether anything was found there."""
    others = [each for each in range(found.ndim) if each != axis]
    return found.any(dim=others) if others else found


def _some(side: Side, name: str, at: list[int], length: int) -> str:
    """Say which positions of an axis they are, in the terms of the layer."""
    if name == "o":
        groups = side.axis_sizes.get("g", 1)
        size = length // groups
        touched = sorted({channel // size for channel in at})
        if groups > 1 and len(at) == size * len(touched):
            return f"in the channels of group{'s' if len(touched) > 1 else ''} {_listed(touched)}"
        return f"in channel{'s' if len(at) > 1 else ''} {_listed(at)}"
    if len(at) == 1 and 0 < at[0] < length - 1:
        return f"at {name} = {at[0]}"
    right = [place for place in range(length) if place not in set(at)]
    if name != "b" and right[-1] - right[0] + 1 == len(right):
        # What is right stands together, so what differs is at the ends.
        ends = {"first": right[0], "last": length - 1 - right[-1]}
        told = " and ".join(f"the {end} {count}" for end, count in ends.items() if count)
        return f"at {told} of {length} along {name}"
    for period in _periods(side, name):
        phases = sorted({place % period for place in at})
        if len(phases) < period and len(at) == sum(place % period in phases for place in range(length)):
            return f"at {name} % {period} = {_listed(phases)}"
    return f"at {name} = {_listed(at)}"


def _periods(side: Side, name: str) -> Iterator[int]:
    if name in side.axis_periods:
        yield side.axis_periods[name]
    if name != "b":
        yield from (2, 3, 4)


def _listed(values: Iterable[object]) -> str:
    texts = [str(value) for value in values]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
