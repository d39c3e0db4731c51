"""What is proved for all sizes of modules as people write them, and of their faulty twins.

    python benchmarks/own_pairs.py --all-sizes --file stems

Of the seconds, which are those of the processor, a proof may take as many as `--proof-seconds` has by default. Behind
the table stand the obstacles of what is unknown, with how many pairs meet them.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch

import convcheck
from benchmarks.own_code.asked import asked_of
from benchmarks.own_code.plain import Entry
from benchmarks.tables import Written, print_table
from convcheck.all_sizes import proof
from convcheck.results import SizesProof, SizesStatus

HEAD = ("pair", "side", "all sizes", "seconds", "free axes, or the obstacle")

HERE_ONLY = {
    "Haar wavelets by slices": "of an odd number of columns one side makes one more",
    "RMSNorm by the length of a vector": "its scale is the root of the width that it was built with",
    "SegFormer's overlapping patches by im2col": "its layout has the number of rows of patches",
    "a long convolution by transforms": "a kernel that is longer than the input wraps around on one side",
    "shifted windows by einops": "weights of other widths than the window's are taken for more images by one side",
    "vit-pytorch's Rearrange and a Linear": "its layout has the number of rows of patches",
}
"""Rewrites that are right at the sizes of their inputs and weights, and wrong at others in torch as well."""


class SizesOutcome(NamedTuple):
    """What is proved of a pair or a twin for all sizes, and the seconds of the processor that it took."""

    entry: Entry
    sizes: SizesProof
    seconds: float

    @property
    def wrong(self) -> bool:
        """Whether a twin is proved, or a rewrite refuted that is right at other sizes, or proved that is not."""
        fails = self.entry.faulty or self.entry.pair.name in HERE_ONLY
        return self.sizes.status is (SizesStatus.PROVED if fails else SizesStatus.REFUTED)

    def row(self) -> list[str]:
        """Return the texts of its row."""
        side = self.entry.pair.fault if self.entry.faulty else "a rewrite"
        return [self.entry.pair.name, side, self.sizes.status, f"{self.seconds:.1f}", said(self.sizes)]


def said(sizes: SizesProof) -> str:
    """Return which axes are free, and from which size on; else what is in the way, or where it fails."""
    if sizes.counterexample is not None:
        where = " ".join(f"{name}={size}" for name, size in sizes.counterexample.sizes.items())
        return f"at {where}: {sizes.counterexample.reason}"
    if sizes.status is not SizesStatus.PROVED:
        return sizes.obstacle or "-"
    free = (
        f"{name}={factor}n" if (factor := sizes.divisible.get(name)) else f"{name}>={low}"
        for name, low in sizes.free.items()
    )
    fixed = (f"{name}={size} fixed" for name, size in sizes.fixed.items())
    return " ".join((*free, *fixed))


def outcome(entry: Entry) -> SizesOutcome:
    """Verify a pair or a twin with `all_sizes`; a proof is given seconds of the processor, whatever else runs there."""
    reference, inputs, options = asked_of(entry)
    clock, start, spent = SimpleNamespace(monotonic=time.process_time), time.process_time(), [0.0]
    prove = proof.prove

    def timed(*arguments: object, **keywords: object) -> SizesProof:
        start = time.process_time()
        try:
            return prove(*arguments, **keywords)  # type: ignore[arg-type]  # as they come
        finally:
            spent[0] = time.process_time() - start

    with patch.object(proof, "time", clock), patch.object(proof, "prove", timed):
        try:
            sizes = convcheck.verify(reference, inputs, **options, all_sizes=True).sizes
        except Exception as error:
            sizes = SizesProof(SizesStatus.UNKNOWN, obstacle=f"raised {type(error).__name__}: {error}")
    return SizesOutcome(entry, sizes, spent[0] or time.process_time() - start)


def total(outcomes: Sequence[SizesOutcome]) -> list[str]:
    """Return the last row: how often each status is met, of rewrites and of twins."""
    counts: dict[bool, Counter[str]] = defaultdict(Counter)
    for one in outcomes:
        counts[one.entry.faulty][one.sizes.status] += 1
    texts = [", ".join(f"{number} {status}" for status, number in counts[faulty].items()) for faulty in (False, True)]
    return ["all", "", "", f"{sum(one.seconds for one in outcomes):.0f}", f"rewrites: {texts[0]}; twins: {texts[1]}"]


def obstacles(outcomes: Sequence[SizesOutcome]) -> list[tuple[str, int]]:
    """Return what is in the way of rewrites, without its place, the most frequent first."""
    unknown = (one for one in outcomes if not one.entry.faulty and one.sizes.status is SizesStatus.UNKNOWN)
    return Counter(re.sub(r" at \S+:\d+$", "", said(one.sizes)) for one in unknown).most_common()


def print_all_sizes(entries: Sequence[Entry], written: str) -> int:
    """Print the table, the obstacles, and what is wrong; return 1 if anything is."""
    outcomes = [outcome(entry) for entry in entries]
    print_table(Written(HEAD, [one.row() for one in outcomes], total(outcomes)), written)
    print(*(f"{count} x {why}" for why, count in obstacles(outcomes)), sep="\n")
    wrong = [one for one in outcomes if one.wrong]
    print(*(f"{one.entry.pair.name}: {one.sizes.status}, {said(one.sizes)}" for one in wrong), sep="\n")
    return int(bool(wrong))
