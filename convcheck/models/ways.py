"""What an operator of torch moves where, and how a tensor came from an earlier one by such operators.

Operators are not known by name. One that moves entries treats all values alike: it takes truth values, complex numbers,
infinities and NaN to the same places, and leaves them as they are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map_only

from convcheck.sizes.patterns import Shape
from convcheck.tracing.places import short_file

_SEED = 0

_COUNT = 10007
"""How many values are drawn, a prime: a step along an axis meets them all."""


@dataclass(eq=False)
class Record:
    """A tensor of a run, and the operator that made it; without one it is where a way begins."""

    tensor: weakref.ref[Tensor]
    shape: Shape
    stride: Shape
    offset: int
    storage: int
    maker: Operator | None = None
    number: int = 0
    """Which output of the operator it is."""
    users: list[Operator | None] = field(default_factory=list)
    """What took it; None stands for what makes no numbers, or writes."""
    stale: bool = False
    """Whether something was written into its memory since."""

    @property
    def is_over(self) -> bool:
        """Whether it was taken, and nothing was written there or is held of it."""
        return bool(self.users) and not self.stale and self.tensor() is None


@dataclass(eq=False)
class Operator:
    """One call of an operator; tensors of numbers among its arguments are Records, others Constants."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    place: tuple[str, int] | None
    """File and line of the user's code that called it."""
    number: int
    """Of the call, in order."""
    made: list[Record] = field(default_factory=list)

    @property
    def sources(self) -> list[Record]:
        return [value for value in tree_flatten((self.arguments, self.keywords))[0] if isinstance(value, Record)]

    @property
    def signature(self) -> str:
        """The operator, its sources as they stand in memory, and all else that it takes."""
        sources = {source: number for number, source in enumerate(dict.fromkeys(self.sources))}

        def written(source: Record) -> str:
            return f"{sources[source]}: {source.shape} {source.stride} {source.offset}"

        return f"{self.function} {tree_map_only(Record, written, (self.arguments, dict(self.keywords)))}"

    @property
    def constants(self) -> list[Constant]:
        return [value for value in tree_flatten((self.arguments, self.keywords))[0] if isinstance(value, Constant)]

    def run(self, values: Mapping[Record, Tensor], held: Mapping[Constant, Tensor], number: int) -> Tensor:
        """Return one of its outputs on other numbers."""
        given = tree_map_only(Record, values.__getitem__, (self.arguments, dict(self.keywords)))
        arguments, keywords = tree_map_only(Constant, held.__getitem__, given)
        output = self.function(*arguments, **keywords)
        result: Tensor = output if isinstance(output, Tensor) else output[number]
        return result


@dataclass(eq=False)
class Constant:
    """Whole numbers or truth values beside the numbers, such as an index."""

    tensor: Callable[[], Tensor | None]
    version: int

    def value(self) -> Tensor | None:
        """Return it, where it is still as it was."""
        tensor = self.tensor()
        return tensor if tensor is not None and tensor._version == self.version else None


@dataclass(frozen=True, eq=False)
class Way:
    """How a tensor was moved from another one."""

    root: Record
    result: Record
    held: Mapping[Constant, Tensor] = field(default_factory=dict)

    def run(self, x: Tensor) -> Tensor:
        """Do the same to another tensor of the root's shape, by the same operators."""
        values = {self.root: _laid_out(x, self.root)}

        def value(record: Record) -> Tensor:
            if record not in values:
                assert record.maker is not None
                for source in record.maker.sources:
                    value(source)
                values[record] = record.maker.run(values, self.held, record.number)
            return values[record]

        return value(self.result)

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """The lines of the user's code that move it, by file, in order."""

        def lines(record: Record) -> Iterator[tuple[str, int]]:
            if record is not self.root and record.maker is not None:
                for source in record.maker.sources:
                    yield from lines(source)
                if record.maker.place is not None:
                    yield record.maker.place

        return tuple(dict.fromkeys((short_file(file), line) for file, line in lines(self.result)))


def moved(maker: Operator, number: int, held: Mapping[Constant, Tensor]) -> Tensor | None:
    """Return which entries of its sources, one after the other, an operator moves where; None if it does more."""
    sources = list(dict.fromkeys(maker.sources))
    count = sum(torch.Size(source.shape).numel() for source in sources)

    def run(flat: Tensor) -> Tensor | None:
        parts = torch.split(flat, [torch.Size(source.shape).numel() for source in sources])
        try:
            shaped = zip(sources, parts, strict=True)
            values = {source: _laid_out(part.reshape(source.shape), source) for source, part in shaped}
            output = maker.run(values, held, number)
        except Exception:  # whatever torch has not for a type
            return None
        return output if output.dtype == flat.dtype else None

    # Truth values first: what computes is mostly not there for them, or makes something else of them. Nor are sums that
    # have one term each here, as those of `fold`, which are there for complex numbers.
    truths, *drawn = (_filled(values, count) for values in _values())
    if run(truths) is None:
        truths = truths.to(torch.complex64)
        if len(sources) > 1 or run(truths) is None:
            return None
    if (labels := run(torch.arange(1, count + 1, dtype=torch.float64))) is None:
        return None
    index = labels.long()
    if not torch.equal(index.double(), labels) or bool(((index < 0) | (index > count)).any()):
        return None
    for values in (truths, *drawn):
        due = torch.cat([values.new_zeros(1), values])[index]
        output = run(values)
        if output is None or output.shape != due.shape or not _same(output, due):
            return None
    return index


@cache
def _values() -> tuple[Tensor, Tensor, Tensor]:
    """Return truth values, numbers of all sizes with infinities and NaN among them, and complex ones."""
    generator = torch.Generator().manual_seed(_SEED)
    special = torch.tensor([torch.inf, -torch.inf, torch.nan, -0.0, 1e300, -5e-324], dtype=torch.float64)
    chosen = torch.randint(20, (3, _COUNT), generator=generator)
    drawn = torch.randn(3, _COUNT, generator=generator, dtype=torch.float64)
    drawn[0] *= torch.exp2(torch.randint(-600, 600, (_COUNT,), generator=generator).double())
    drawn = torch.where(chosen < len(special), special[chosen.clamp(max=len(special) - 1)], drawn)
    return chosen[0] % 2 == 0, drawn[0], torch.complex(drawn[1], drawn[2]).to(torch.complex64)


def _filled(values: Tensor, count: int) -> Tensor:
    """Return so many values, one round of them after the other."""
    return values.repeat(-(-count // _COUNT))[:count]


def _same(one: Tensor, other: Tensor) -> bool:
    """Tell whether all numbers are the same, NaN included."""
    if one.is_complex():
        one, other = torch.view_as_real(one.resolve_conj()), torch.view_as_real(other)
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _laid_out(x: Tensor, like: Record) -> Tensor:
    """Return a tensor in memory as a record was, as a view may ask for it. What else stands there is no place of it."""
    if x.stride() == like.stride and x.storage_offset() == like.offset:
        return x
    extent = sum((length - 1) * step for length, step in zip(like.shape, like.stride, strict=True)) + 1
    memory = x.new_full((like.offset + extent,), True if x.dtype == torch.bool else torch.nan)
    return memory.as_strided(like.shape, like.stride, like.offset).copy_(x)
