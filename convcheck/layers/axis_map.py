"""The lengths of a layer's output as functions of its input's, in the form of an einops pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from convcheck.errors import UsageError
from convcheck.sizes.limits import MAX_INT64
from convcheck.sizes.patterns import SPACE_AXES, Group


class UnknownMapError(UsageError):
    """A kind does not say how lengths of its input become those of its output."""


class LengthFunction(NamedTuple):
    """A nondecreasing function from an input's length, between `least` and `most`, to an output's."""

    of: Callable[[int], int]
    least: int = 1
    most: int = MAX_INT64


class AxisMap(NamedTuple):
    """An input's axes and an output's, each a group of factors by name; an axis is as long as their product.

    `known` factors have one length. A factor on both sides keeps its length, unless `functions` has one for it.
    Not all factors of `several` may be 1. In every group of `source`, at most one factor is not known.
    """

    source: tuple[Group, ...]
    target: tuple[Group, ...]
    known: Mapping[str, int] = MappingProxyType({})
    functions: Mapping[str, LengthFunction] = MappingProxyType({})
    several: Group = ()

    @property
    def merges(self) -> bool:
        """Whether several factors of any length become one axis."""
        return any(len(set(group) - self.known.keys()) > 1 for group in self.target)


def numbered(rank: int) -> tuple[Group, ...]:
    """Return `rank` axes, named by their numbers."""
    return tuple((f"axis {number}",) for number in range(rank))


def spatial(
    rank: int,
    functions: Sequence[LengthFunction],
    channels: tuple[int, int] | None,
    *,
    channels_last: bool = False,
) -> AxisMap | None:
    """Return the map of a layer along space, batched or not; None if it takes no input of this rank.

    `channels` are the input's and the output's; None for a layer that takes any number of channels and keeps it.
    """
    dims = len(functions)
    if rank not in (dims + 1, dims + 2):
        return None
    batch = singles(("batch",)[: rank - dims - 1])
    space = singles(SPACE_AXES[dims])
    before = "in_channels" if channels else "channels"
    known = dict(zip(("in_channels", "channels"), channels, strict=True)) if channels else {}

    def layout(side: str) -> tuple[Group, ...]:
        return (*batch, *space, (side,)) if channels_last else (*batch, (side,), *space)

    return AxisMap(layout(before), layout("channels"), known, dict(zip(SPACE_AXES[dims], functions, strict=True)))


def singles(names: Iterable[str]) -> tuple[Group, ...]:
    """Return one axis for each name."""
    return tuple((name,) for name in names)


def counted(rank: int, named: Group) -> tuple[str, ...]:
    """Return names for `rank` axes: `named` for the last; a single one before them is `b`, several are counted."""
    leading = rank - len(named)
    return (*(("b",) if leading == 1 and named else (f"axis {number}" for number in range(leading))), *named)
