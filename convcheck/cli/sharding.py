"""One run, split into shards that machines run independently."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import UsageError, shown

# The command line reads a shard long before there are claims, and without the catalogue.
if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim

OVERHEAD = 10_000_000
"""Multiplications that take as long as what a claim takes whatever its size: building both sides, and reporting."""

PER_WEIGHT = 100
"""Multiplications that take as long as what is done with a weight besides: it is drawn, moved, and compared."""

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """One part of `of`, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


def parse_shard(text: str) -> Shard:
    """Read `2/4`.

    Raises:
        UsageError: it is no shard, or one that does not exist.
    """
    match = _SHARD.fullmatch(text)
    if match is None:
        raise UsageError(f"{shown(text)} is no shard; write I/N, such as 1/4 for the first of four")
    shard = Shard(int(match[1]), int(match[2]))
    if not 1 <= shard.index <= shard.of:
        legal = f"I must be from 1 to {shard.of}" if shard.of else "N must be at least 1"
        raise UsageError(f"there is no shard {shard}; in I/N, {legal}")
    return shard


def cost(claim: Claim) -> int:
    """Predict, from numbers alone, how long a claim takes: in multiplications at the pace of a matrix product."""
    case, rewrite = claim.case, claim.rewrite
    if rewrite is None or claim.refusals:
        return OVERHEAD
    # Whole numbers are added up alike on every machine, and no layer is too large for them.
    work = rewrite.macs(case.layer, *case.inputs) * round(100 * rewrite.relative_cost) // 100
    return OVERHEAD + PER_WEIGHT * case.layer.parameter_count() + case.layer.macs(*case.inputs) + work


def of_shard(claims: Sequence[Claim], shard: Shard) -> list[Claim]:
    """Return the claims of one shard, in their order.

    Every claim is in exactly one shard, and nothing but the claims decides in which. The costliest are dealt out first,
    each to the shard that has least to do so far: the fullest has at most a third more than it must (Graham 1969).
    """
    costs = [cost(claim) for claim in claims]
    # Names and sources stand before places, so that the order of the targets does not matter.
    dealt = sorted(
        range(len(claims)), key=lambda place: (-costs[place], claims[place].id, claims[place].case.source or "", place)
    )
    # Of more shards than claims, the last stay empty.
    loads = [(0, index) for index in range(1, min(shard.of, len(claims)) + 1)]
    mine = []
    for place in dealt:
        load, index = heapq.heappop(loads)
        heapq.heappush(loads, (load + costs[place], index))
        if index == shard.index:
            mine.append(place)
    return [claims[place] for place in sorted(mine)]
