"""Writes down where the entries of a tensor come from, in the notation of a map."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.config.parse_source import parse_source
from convcheck.config.sources import Constant, Joined, Scaled, Source
from convcheck.errors import PatternError
from convcheck.rewriting.source_moves import SourceReader
from convcheck.sizes.patterns import Group, Pattern, Shape
from convcheck.sizes.relayouts import Operation, Rearrangement, Relayout
from convcheck.solving.axes import NOWHERE, relayout

AXES: Mapping[int, Group] = {
    0: (),
    1: ("o",),
    2: ("o", "i"),
    3: ("o", "i", "k"),
    4: ("o", "i", "kh", "kw"),
    5: ("o", "i", "kt", "kh", "kw"),
}
"""What the axes of weights are called, by their number."""


MOST_PARTS = 32
"""Of how many parts of one tensor a text may be."""


@dataclass(frozen=True)
class Writer:
    """Finds sources for one reference: the shapes of its tensors, in the order in which their entries are numbered."""

    has: Mapping[str, Shape]
    axes: Mapping[str, tuple[Group, ...]]
    """The axes of tensors by name, where they are known."""

    def source(self, index: Tensor, scale: float = 1.0) -> Source | None:
        """Return the source of a tensor whose entries have these numbers, NOWHERE for zeros; None if there is none."""
        if not bool((index >= 0).any()):
            return Source(Constant(0))
        for source in self._candidates(index):
            if self.makes(source, index):
                return _scaled(source, scale)
        return None

    def makes(self, source: Source, index: Tensor) -> bool:
        """Tell whether a source, as it is written, makes a tensor of these entries."""
        first, labels = 1, {}
        for name, shape in self.has.items():
            count = math.prod(shape)
            labels[name] = torch.arange(first, first + count, dtype=torch.float64).reshape(shape)
            first += count
        try:
            move = SourceReader(self.has, {}).move(parse_source(str(source)), "", tuple(index.shape))
            made = move.forward(labels)
        except (PatternError, RuntimeError):
            return False
        return made.shape == index.shape and torch.equal(made.long() - 1, index)

    def _candidates(self, index: Tensor) -> Iterator[Source]:
        owners = self._owners(index)
        present = [number for number in torch.unique(owners).tolist() if number >= 0]
        if len(present) == 1:
            name = list(self.has)[present[0]]
            yield from self._single(index, name)
            yield from self._runs(index, name)
            return
        yield from self._joined(index, owners)
        yield from self._whole(index, owners)
        for axis in range(1, index.dim()):
            names = AXES.get(index.dim()) or tuple(f"a{number}" for number in range(index.dim()))
            moved = (names[axis], *(name for name in names if name != names[axis]))
            back = Pattern(tuple((name,) for name in moved), tuple((name,) for name in names))
            for source in self._joined(index.movedim(axis, 0), owners.movedim(axis, 0)):
                yield Source(source.operand, Relayout((Rearrangement(back),)))

    def _owners(self, index: Tensor) -> Tensor:
        """Return the number of the tensor that every entry comes from; NOWHERE for zeros."""
        ends = torch.tensor([math.prod(shape) for shape in self.has.values()]).cumsum(0)
        owners = torch.bucketize(index, ends, right=True)
        return torch.where(index >= 0, owners, NOWHERE)

    def _single(self, index: Tensor, name: str) -> Iterator[Source]:
        """Yield the sources that take the entries from one tensor."""
        names, shape = list(self.has), self.has[name]
        first = sum(math.prod(self.has[other]) for other in names[: names.index(name)])
        local = torch.where(index >= 0, index - first, NOWHERE)
        yield Source(name)
        blocks = index.shape[1] // shape[1] if index.dim() == len(shape) > 1 else 1
        for axes in self._names_of(name):
            if blocks > 1 and tuple(index.shape) == (shape[0], shape[1] * blocks, *shape[2:]):
                same = Rearrangement(Pattern(*(tuple((axis,) for axis in axes),) * 2))
                yield Source(name, Relayout((same, Operation("blocks", axes[1], (blocks,)))))
            if (laid_out := relayout(local, shape, axes)) is not None:
                yield Source(name, laid_out)

    def _runs(self, index: Tensor, name: str) -> Iterator[Source]:
        """Yield parts of one tensor one behind the other in another order."""
        rows = index.reshape(len(index), -1)[:, 0] if index.dim() and index.numel() else index.flatten()
        steps = rows.diff()
        if not len(steps):
            return
        usual = steps.mode().values
        cuts = [0, *((steps != usual).nonzero().flatten() + 1).tolist(), len(rows)]
        if not 2 < len(cuts) <= MOST_PARTS + 1:
            return
        parts = [self._part(index[start:stop], name) for start, stop in itertools.pairwise(cuts)]
        if None not in parts:
            yield Source(Joined(tuple(part for part in parts if part is not None)))

    def _names_of(self, name: str) -> Iterator[Group]:
        groups, rank = self.axes.get(name, ()), len(self.has[name])
        if len(groups) == rank and all(len(group) == 1 and group[0].isidentifier() for group in groups):
            known = tuple(group[0] for group in groups)
            if not any(axis[-1].isdigit() for axis in known):
                yield known
        yield AXES.get(rank) or tuple("abcdefgh"[:rank])

    def _joined(self, index: Tensor, owners: Tensor) -> Iterator[Source]:
        """Yield tensors, or their parts, one behind the other along the first axis."""
        rows = owners.flatten(1) if owners.dim() > 1 else owners[:, None]
        top = rows.max(1).values
        if not bool(((rows == top[:, None]) | (rows == NOWHERE)).all()):
            return
        cuts = [0, *(top.diff().nonzero().flatten() + 1).tolist(), len(top)]
        parts = []
        for start, stop in itertools.pairwise(cuts):
            part = index[start:stop]
            if int(top[start]) == NOWHERE:
                parts.append(Source(Constant(0)))
                continue
            found = self._part(part, list(self.has)[int(top[start])])
            if found is None:
                return
            parts.append(found)
        if len(parts) > 1:
            yield Source(Joined(tuple(parts)))

    def _part(self, index: Tensor, name: str) -> Source | None:
        if not bool((index >= 0).any()):
            return Source(Constant(0))
        return next((source for source in self._single(index, name) if self.makes(source, index)), None)

    def _whole(self, index: Tensor, owners: Tensor) -> Iterator[Source]:
        """Yield tensors that are joined as they are, and then laid out."""
        names = list(self.has)
        first = [int(number) for number in owners.flatten().tolist() if number >= 0]
        present = [names[number] for number in dict.fromkeys(first)]
        shapes = [self.has[name] for name in present]
        if len({shape[1:] for shape in shapes}) > 1 or not all(shapes):
            return
        starts, start = {}, 0
        for name in names:
            starts[name] = start
            start += math.prod(self.has[name])
        local, before = torch.full_like(index, NOWHERE), 0
        for name, shape in zip(present, shapes, strict=True):
            here = owners == names.index(name)
            local[here] = index[here] - starts[name] + before
            before += math.prod(shape)
        whole = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        axes = AXES.get(len(whole)) or tuple("abcdefgh"[: len(whole)])
        if (laid_out := relayout(local, whole, axes)) is not None:
            yield Source(Joined(tuple(map(Source, present))), laid_out)


def _scaled(source: Source, scale: float) -> Source:
    """Return a source times a number."""
    if scale == 1.0:
        return source
    return Source(Scaled(source.operand, scale), source.relayout)
