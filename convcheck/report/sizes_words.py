"""What a proof for all sizes came to, in a few words for a cell, and in full."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from convcheck.report.format_values import format_shape
from convcheck.results import SizesProof, SizesStatus

MOST_OF_AN_EXCEPTION = 40
"""Characters of sizes at which both sides do not run; what is longer is said in full alone."""


def in_few_words(sizes: SizesProof) -> str:
    """Return `all b h=4n w=4n`, `not at h=31` or `unknown: tile`; nothing where it was not asked.

    Where both sides do not run at sizes that this leaves in is said: `all b h except where h >= 31`, or `except some`.

    Of a counterexample, sizes that are as small as they can be are left out.
    """
    if sizes.status is SizesStatus.PROVED:
        ranges = [_range(axis, sizes) for axis in sizes.free]
        short = sizes.excepted if len(sizes.excepted or "") <= MOST_OF_AN_EXCEPTION else "some"
        excepted = [f"except {short}"] if sizes.excepted else []
        return " ".join(["all" if ranges else "only", *ranges, *_written(sizes.fixed), *excepted])
    if sizes.counterexample is not None:
        at = sizes.counterexample.sizes
        large = {axis: size for axis, size in at.items() if size > sizes.free.get(axis, 1) and axis not in sizes.fixed}
        return " ".join(["not at", *_written(large or at)])
    if sizes.status is SizesStatus.NOT_ASKED:
        return ""
    # An obstacle begins with an operator, or with what was being done.
    what, *_ = re.split(r": | at ", sizes.obstacle or "")
    return f"{sizes.status}: {what}".removesuffix(": ")


def _range(axis: str, sizes: SizesProof) -> str:
    """Return an axis as `h`, or `h=4n`; from which size on is said in full."""
    factor = sizes.divisible.get(axis, 1)
    return f"{axis}={factor}n" if factor > 1 else axis


def _written(sizes: Mapping[str, int]) -> list[str]:
    return [f"{axis}={size}" for axis, size in sizes.items()]


def in_full(sizes: SizesProof) -> Iterator[tuple[str, str]]:
    """Yield all that is known as (subject, text)."""
    if sizes.status is SizesStatus.NOT_ASKED:
        return
    yield "sizes", f"{_outcome(sizes)}, in {sizes.seconds:.2f} s"
    if sizes.fixed:
        why = f": {sizes.obstacle}" if sizes.obstacle and sizes.status is not SizesStatus.UNKNOWN else ""
        yield "fixed", f"{' '.join(_written(sizes.fixed))}{why}"
    if sizes.probed:
        yield "probed", f"{', '.join(sizes.probed)}; not proved"
    for side in ("reference", "candidate"):
        if condition := getattr(sizes.raises, side):
            yield "raises", f"the {side} alone, {condition}"
    for side in ("reference", "candidate"):
        yield from (("relation", f"{side}: {line}") for line in getattr(sizes.relations, side))


def _outcome(sizes: SizesProof) -> str:
    if sizes.counterexample is not None:
        at = sizes.counterexample
        place = f", output {format_shape(at.at)}" if at.at else ""
        where = f"{' '.join(_written(at.sizes))}{place}"
        return f"{sizes.status} at {where}: {at.reason}"
    if sizes.status is not SizesStatus.PROVED:
        return ": ".join(filter(None, (sizes.status, sizes.obstacle)))
    # An axis has to be a multiple of a number and no smaller than its first multiple that was proved.
    ranges = [_in_full(axis, least, sizes.divisible.get(axis, 1)) for axis, least in sizes.free.items()]
    excepted = f" except {sizes.excepted}" if sizes.excepted else ""
    return f"{sizes.status} for {', '.join(ranges) or 'no other size than those at hand'}{excepted}"


def _in_full(axis: str, least: int, factor: int) -> str:
    return f"{axis} >= {least}" if factor == 1 else f"{axis} = {factor}n >= {least}"
