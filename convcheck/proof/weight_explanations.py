"""What would explain a tensor that is held in place of the one that a mapping makes. What is yielded holds exactly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from convcheck.errors import PatternError
from convcheck.proof.batch import PART
from convcheck.proof.fingerprints import fingerprint, in_pieces
from convcheck.proof.held_file import HeldFile
from convcheck.proof.place_order import described_order, order_of_places
from convcheck.rewriting.arrangements import arrange
from convcheck.rewriting.parameter_move import ParameterMove, Parameters
from convcheck.rewriting.transplant import Move


@dataclass(frozen=True)
class Departure:
    """A tensor that is held, and the one that a move makes, in the same dtype and of the same shape."""

    move: ParameterMove
    sources: Parameters
    """What the move takes."""
    held: Tensor
    made: Tensor
    apart: Tensor
    """True where they differ."""

    @cached_property
    def print(self) -> int:
        """The fingerprint of the tensor that is held."""
        return fingerprint(self.held)


@dataclass(frozen=True)
class Surroundings:
    """What else could have been taken for the tensor that is held."""

    moves: tuple[ParameterMove, ...]
    make: Callable[[ParameterMove], Tensor]
    """Returns what a move makes."""
    file: HeldFile | None
    """The reference's file."""
    axes: Mapping[str, list[str]]
    """The names of a tensor's axes, where it has some."""
    prints: dict[tuple[str, torch.dtype], int] = field(default_factory=dict)
    """Fingerprints of what was read before."""

    def others(self, one: Departure) -> Iterator[str]:
        """Yield the candidate's other tensors that should be what is held."""
        for move in self.moves:
            if move.target == one.move.target or move.result() != tuple(one.held.shape):
                continue
            key = (f"made {move.target}", one.held.dtype)
            if key not in self.prints:
                self.prints[key] = fingerprint(self.make(move).to(one.held.dtype))
            if self.prints[key] == one.print and torch.equal(self.make(move).to(one.held.dtype), one.held):
                yield move.target

    def elsewhere(self, one: Departure) -> Iterator[tuple[str, ...]]:
        """Yield the keys of the reference's file of which the same move makes what is held."""
        if self.file is None or not one.move.sources or one.move.rounds:
            return
        whole = one.made.numel() == sum(tensor.numel() for tensor in one.sources.values())
        for keys in self.file.alike(one.move.sources):
            # A move of all entries takes none away; one of a part has to be made to be known.
            if whole and sum(self._print(self.file, key, one.held.dtype) for key in keys) % 2**64 != one.print:
                continue
            tensors = {name: self.file.read(key) for name, key in zip(one.move.sources, keys, strict=True)}
            if torch.equal(one.move.forward(tensors).to(one.held.dtype), one.held):
                yield keys

    def _print(self, file: HeldFile, key: str, dtype: torch.dtype) -> int:
        if (key, dtype) not in self.prints:
            self.prints[key, dtype] = fingerprint(file.read(key).to(dtype))
        return self.prints[key, dtype]


def explanations(one: Departure, around: Surroundings) -> Iterator[str]:
    """Yield what would explain a tensor that is held in place of the one that is made, the likeliest first."""
    held, made = one.held, one.made
    if not held.any():
        yield "it is zero everywhere"
        return
    yield from (f"it holds what {name} should" for name in around.others(one))
    yield from _orders(one, around.axes, held, "")
    if factor := _factor(held, made):
        yield f"it is {factor:.9g} times what it should be"
    yield from _roundings(held, made)
    for keys in around.elsewhere(one):
        assert around.file is not None
        yield f"it is made of {' and '.join(keys)} of '{around.file.written}' in place of {_keys(one, around.file)}"
    yield from _factors(held, made)
    for dtype in NARROW:
        if held.dtype != dtype and all(torch.equal(some.to(dtype).to(held.dtype), some) for (some,) in in_pieces(held)):
            yield from _orders(one, around.axes, held.to(dtype), f", rounded to {_name(dtype)}")
    yield from _parts(one)


NARROW = (torch.bfloat16, torch.float16)


def _keys(one: Departure, file: HeldFile) -> str:
    return " and ".join(file.key_of[name] for name in one.move.sources)


def _orders(one: Departure, axes: Mapping[str, list[str]], held: Tensor, besides: str) -> Iterator[str]:
    """Yield an order of axes, or of places along one of them, by which what should be there becomes what is held."""
    print = one.print if held is one.held else fingerprint(held)
    if isinstance(one.move, Move):
        source = one.sources[one.move.source].to(held.dtype)
        names = axes.get(one.move.source, [f"a{number}" for number in range(source.dim())])
        if steps := arrangement(names, source, held, print):
            yield f"it is '{one.move.source}: {steps}' of the reference{besides}"
    made = one.made.to(held.dtype)
    if fingerprint(made) != print:
        return
    if steps := arrangement([f"a{number}" for number in range(made.dim())], made, held, print):
        yield f"it is '{steps}' of what it should be{besides}"
    for axis in range(made.dim()):
        order = order_of_places(made, held, axis)
        if order is not None and torch.equal(made.index_select(axis, order), held):
            yield f"{described_order(order, axis, made.dim())}{besides}"


def arrangement(names: list[str], source: Tensor, held: Tensor, print: int | None = None) -> str | None:
    """Return the pattern that takes one tensor to another, whose fingerprint is `print`; None if none does."""
    if source.numel() != held.numel() or not source.dim():
        return None
    if fingerprint(source) != (fingerprint(held) if print is None else print):
        return None
    # Entries are known by their bits.
    ours, theirs = (tensor.double().contiguous().view(torch.int64) for tensor in (source, held))
    sizes = dict(zip(names, source.shape, strict=True))
    try:
        steps = arrange([(name,) for name in names], sizes, (), ours, theirs, flips=True)
    except PatternError:
        return None
    return None if steps is None else " | ".join(map(str, steps))


def _factor(held: Tensor, made: Tensor) -> float | None:
    """Return the number that one tensor is times the other, within rounding; None if there is none."""
    largest = int(made.abs().flatten().argmax())
    divisor, multiple = float(made.flatten()[largest]), float(held.flatten()[largest])
    if not divisor or not math.isfinite(divisor) or not math.isfinite(multiple):
        return None
    factor, relative = multiple / divisor, 4 * torch.finfo(held.dtype).eps
    close = (_times(ours, theirs, factor, relative) for ours, theirs in in_pieces(held, made))
    return factor if abs(factor - 1) > 2 * relative and all(close) else None


def _times(held: Tensor, made: Tensor, factor: float | Tensor, relative: float) -> bool:
    """Tell whether one tensor is a factor times the other, within a relative error."""
    numbers = factor * made.double()
    return bool(((held.double() - numbers).abs() <= relative * numbers.abs()).all())


def _factors(held: Tensor, made: Tensor) -> Iterator[str]:
    """Yield the axis along which every place has a factor of its own, as where a norm is folded in."""
    relative = 4 * torch.finfo(held.dtype).eps
    for axis in range(held.dim()) if held.dim() > 1 else ():
        ours, theirs = (tensor.movedim(axis, 0).reshape(held.shape[axis], -1) for tensor in (held, made))
        if ours.shape[1] < 2:
            continue
        largest = theirs.abs().argmax(1, keepdim=True)
        divisors = theirs.gather(1, largest).double()
        factors = ours.gather(1, largest).double() / torch.where(divisors == 0, 1.0, divisors)
        # Places of zeros are told as such.
        if not bool(factors.isfinite().all() and factors.all()):
            continue
        rows = max(1, PART // ours.shape[1])
        parts = zip(*(torch.split(tensor, rows) for tensor in (ours, theirs, factors)), strict=True)
        if all(_times(some, others, factor, relative) for some, others, factor in parts):
            low, high = float(factors.min()), float(factors.max())
            yield f"along axis {axis} every place has a factor of its own, from {low:.6g} to {high:.6g}"


def _roundings(held: Tensor, made: Tensor) -> Iterator[str]:
    """Yield the dtype that numbers were rounded to on their way, or that one side was stored in."""
    narrower = [dtype for dtype in NARROW if dtype != held.dtype]
    for dtype in narrower:
        if all(torch.equal(theirs.to(dtype).to(held.dtype), ours) for ours, theirs in in_pieces(held, made)):
            yield f"it was rounded to {_name(dtype)}"
    for dtype in narrower:
        if all(torch.equal(ours.to(dtype).to(held.dtype), theirs) for ours, theirs in in_pieces(held, made)):
            yield f"it is finer: rounded to {_name(dtype)} it is what it should be"
    if all(torch.equal(_cut_to_bfloat16(theirs).to(held.dtype), ours) for ours, theirs in in_pieces(held, made)):
        yield "it was cut to bfloat16, and not rounded"


def _cut_to_bfloat16(tensor: Tensor) -> Tensor:
    return (tensor.float().contiguous().view(torch.int32) & -65536).view(torch.float32)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _parts(one: Departure) -> Iterator[str]:
    """Yield the places along an axis at which alone there is a difference."""
    held, apart = one.held, one.apart
    for axis in range(held.dim()):
        rows = apart.movedim(axis, 0).reshape(held.shape[axis], -1).any(1).nonzero().flatten()
        first, last = int(rows[0]), int(rows[-1])
        if int(apart.sum()) > 1 and len(rows) == last - first + 1 < held.shape[axis]:
            part = held.narrow(axis, first, len(rows))
            what = "which alone differ" if part.any() else "which are zero"
            copied = _copied(part, one.made, axis) if part.any() else None
            if copied is not None:
                what = f"which hold what belongs to {copied} to {copied + len(rows) - 1}"
            yield f"these are the places {first} to {last} of axis {axis}, {what}"


def _copied(part: Tensor, made: Tensor, axis: int) -> int | None:
    """Return the place along an axis from which on what is made is a part that is held; None if there is none."""
    length = part.shape[axis]
    first, starts = part.narrow(axis, 0, 1), made.narrow(axis, 0, made.shape[axis] - length + 1)
    like = (starts == first).movedim(axis, 0).reshape(starts.shape[axis], -1).all(1).nonzero().flatten().tolist()
    places = itertools.islice(like, 16)
    return next((place for place in places if torch.equal(made.narrow(axis, place, length), part)), None)
