"""A parameter of the candidate whose entries are entries of the reference's tensors, in any order, or constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convcheck.rewriting.joined import fraction_bits
from convcheck.rewriting.parameter_move import ParameterMove, Parameters
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape


@dataclass(frozen=True, eq=False)
class Entries(ParameterMove):
    """Entry by entry `sign * source + constant`; `index` counts the entries of all sources one after the other.

    All three tensors are of the parameter's shape. Where the sign is 0, the entry is the constant.
    """

    target: str
    shapes: Mapping[str, Shape]
    """Of the sources, by name."""
    index: Tensor
    signs: Tensor
    constants: Tensor

    @staticmethod
    def of(target: str, shapes: Mapping[str, Shape], index: Tensor, signs: Tensor, constants: Tensor) -> Entries:
        """Return the move with those tensors alone that some entry comes from."""
        used, kept, first, start = index[signs != 0], {}, 0, 0
        moved = index.clone()
        for name, shape in shapes.items():
            count = torch.Size(shape).numel()
            here = (index >= first) & (index < first + count)
            if bool(((used >= first) & (used < first + count)).any()):
                kept[name] = shape
                moved[here] = index[here] - first + start
                start += count
            first += count
        return Entries(target, kept, torch.where(signs != 0, moved, 0), signs, constants)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    @property
    def bits(self) -> int:
        return max(map(fraction_bits, torch.unique(self.constants).tolist()), default=0)

    def positive(self) -> Entries:
        return replace(self, signs=self.signs.abs(), constants=self.constants.abs())

    def copies(self) -> int | None:
        """Return how often every entry of all sources is in it, as it is; None where they differ, or more is in it."""
        count = sum(torch.Size(shape).numel() for shape in self.shapes.values())
        if not count or self.index.numel() % count or not bool((self.signs == 1).all()):
            return None
        copies = self.index.numel() // count
        often = torch.arange(count).repeat_interleave(copies)
        return copies if torch.equal(self.index.flatten().sort().values, often) else None

    def result(self) -> Shape:
        return tuple(self.index.shape)

    def forward(self, parameters: Parameters) -> Tensor:
        like = next(iter(parameters.values()))
        constants = self.constants.to(like)
        if not self.shapes:
            return constants
        flat = torch.cat([parameters[name].flatten() for name in self.shapes])
        moved = flat[self.index.to(like.device)]
        signs = self.signs.to(like)
        # Not multiplied: a constant must not become NaN beside an infinite entry.
        return torch.where(signs == 0, constants, torch.where(signs < 0, -moved, moved))

    def origins(self, tensor: Tensor) -> dict[str, Tensor]:
        sizes = [torch.Size(shape).numel() for shape in self.shapes.values()]
        flat, there = tensor.new_zeros(sum(sizes)), self.signs.to(tensor) != 0
        flat[self.index.to(tensor.device)[there]] = (tensor * self.signs.to(tensor))[there]
        parts = zip(self.shapes.items(), torch.split(flat, sizes), strict=True)
        originals = {name: part.reshape(shape) for (name, shape), part in parts}
        again = self.forward(originals) if originals else self.constants.to(tensor)
        if not torch.equal(again, tensor):
            place = tuple((again != tensor).nonzero()[0].tolist())
            raise NoWayBackError(
                f"{self.target}{list(place)} is {tensor[place].item()!r}; it was {again[place].item()!r}"
            )
        return originals

    def __str__(self) -> str:
        return f"entries of {', '.join(self.sources)}" if self.sources else "constants"


@dataclass(frozen=True)
class EntryTransplant(Transplant):
    """Moves of which every one is known entry by entry, too."""

    entries: tuple[Entries, ...]

    def one_to_one(self) -> bool:
        moved: dict[str, Tensor] = {}
        for move in self.entries:
            if not bool((move.signs != 0).all()):
                return False
            counts = torch.bincount(
                move.index.flatten(), minlength=sum(torch.Size(shape).numel() for shape in move.shapes.values())
            )
            sizes = [torch.Size(shape).numel() for shape in move.shapes.values()]
            for name, count in zip(move.shapes, torch.split(counts, sizes), strict=True):
                moved[name] = moved[name] + count if name in moved else count
        return all(bool((count == 1).all()) for count in moved.values())
