"""Where a tensor of the candidate comes from: in the notation of a map where there is one, and as Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from convcheck.config.sources import Added, Constant, Joined, Operand, Product, Scaled, Source, part_shapes, shape_of
from convcheck.rewriting.steps import steps_of
from convcheck.rewriting.takeaway.lines import lines_of
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Shape
from convcheck.solving.axes import NOWHERE
from convcheck.solving.words import Writer

STATE = "state_dict"
"""What the reference's tensors are called in Python."""


@dataclass(frozen=True)
class Origin:
    """Where one tensor of the candidate comes from.

    `source` is the notation of a map, None where that has no words; `expression` is Python, of the `state_dict` of the
    reference. `text` is for a reader.
    """

    sources: tuple[str, ...]
    text: str
    expression: str
    source: Source | None = None


def origin_of(source: Source, has: Mapping[str, Shape], wanted: Shape) -> Origin:
    """Return the origin that a source in the notation of a map describes."""
    return Origin(source.names(), str(source), _Python(has).source(source, wanted), source)


def listed(index: Tensor, scale: float, has: Mapping[str, Shape]) -> Origin:
    """Return the origin of a tensor whose entries come from where no pattern says: their numbers, one by one."""
    ends = torch.tensor([math.prod(shape) for shape in has.values()]).cumsum(0)
    owners = torch.unique(torch.bucketize(index[index >= 0], ends, right=True)).tolist()
    names, starts = list(has), [0, *ends.tolist()]
    local, before, parts = torch.full_like(index, NOWHERE), 0, []
    for number in owners:
        here = (index >= starts[number]) & (index < starts[number + 1])
        local[here] = index[here] - starts[number] + before
        before += math.prod(has[names[number]])
        parts.append(f'{STATE}["{names[number]}"].flatten()')
    # The last entry is a zero.
    local = torch.where(local == NOWHERE, before, local)
    parts.append(f'{STATE}["{names[owners[0]]}"].new_zeros(1)')
    entries = f"torch.tensor({local.flatten().tolist()})"
    times = "" if scale == 1 else f" * {scale!r}"
    expression = f"torch.cat([{', '.join(parts)}])[{entries}].reshape({list(index.shape)}){times}"
    used = tuple(names[number] for number in owners)
    return Origin(used, f"entries of {', '.join(used)}", expression)


def origin_of_entries(index: Tensor, scale: float, writer: Writer) -> Origin:
    """Return the origin of a tensor whose entries have these numbers in the reference."""
    source = writer.source(index, scale)
    if source is not None:
        return origin_of(source, writer.has, tuple(index.shape))
    return listed(index, scale, writer.has)


@dataclass(frozen=True)
class _Python:
    """Writes sources as Python."""

    has: Mapping[str, Shape]

    def source(self, source: Source, wanted: Shape | None) -> str:
        if source.relayout is None:
            return self.operand(source.operand, wanted)
        shape = shape_of(source.operand, self.has, {}, None)
        move = Move("", "", shape, steps_of(source.relayout, shape, {}))
        text = self.operand(source.operand, None)
        return reduce(lambda text, line: line.there(text), lines_of(move), text)

    def operand(self, operand: Operand, wanted: Shape | None) -> str:
        match operand:
            case str():
                return f'{STATE}["{operand}"]'
            case Source():
                return self.source(operand, wanted)
            case Constant(number=number):
                return f"torch.full({list(wanted or ())}, {float(number)})"
            case Scaled(operand=inner, factor=factor):
                return f"({self.operand(inner, wanted)} * {factor!r})"
            case Joined(parts=parts):
                shapes = part_shapes(operand, self.has, {}, wanted)
                texts = [self.source(part, shape) for part, shape in zip(parts, shapes, strict=True)]
                return f"torch.cat([{', '.join(texts)}])"
            case Added(terms=terms):
                shape = shape_of(operand, self.has, {}, wanted)
                return f"({' + '.join(self.operand(term, shape) for term in terms)})"
            case Product(axes=axes, target=target, operands=operands):
                letters: dict[str, str] = {}
                for axis in (axis for group in (*axes, target) for axis in group):
                    letters.setdefault(axis, "abcdefghijklmnopqrstuvwxyz"[len(letters)])
                written = ["".join(letters[axis] for axis in group) for group in (*axes, target)]
                equation = f"{','.join(written[:-1])}->{written[-1]}"
                return f'torch.einsum("{equation}", {", ".join(self.operand(one, None) for one in operands)})'
