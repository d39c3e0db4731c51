"""Proofs for all sizes made by hand, as the engine would return them."""

from __future__ import annotations

from convcheck.results import Sides, SizesCounterexample, SizesProof, SizesStatus

LINE = "y[b,o,h,w] += W[o,i,p,q] * x[b,i,2h+p,2w+q]"

PROVED = SizesProof(
    SizesStatus.PROVED,
    {"b": 1, "i": 1, "o": 1, "h": 2, "w": 2},
    {"h": 2, "w": 2},
    raises=Sides(None, "where h is odd"),
    relations=Sides((LINE,), (LINE,)),
    certificate="proved\nfor all",
)
NARROW = SizesProof(
    SizesStatus.PROVED,
    {"b": 2, "h": 7, "w": 8},
    {"w": 4},
    {"i": 3, "o": 4},
    obstacle="Linear(3, 4) at mine.py:7",
    probed=("b=1",),
)
REFUTED = SizesProof(
    SizesStatus.REFUTED,
    {"b": 1, "h": 1, "w": 2},
    counterexample=SizesCounterexample({"b": 1, "h": 31, "w": 2}, (0, 0, 15, 0), "the candidate reads x[0,0,32,0]"),
)
UNKNOWN = SizesProof(SizesStatus.UNKNOWN, obstacle="tile")
LONG = SizesProof(SizesStatus.UNKNOWN, obstacle="aten.arange at mine.py:12 has no reader of its own")

WORDS = {
    "all b i o h=2n w=2n": PROVED,
    "all b h w=4n i=3 o=4": NARROW,
    "not at h=31": REFUTED,
    "unknown: tile": UNKNOWN,
    "unknown: aten.arange": LONG,
    "all h except where h >= 31": SizesProof(SizesStatus.PROVED, {"h": 2}, excepted="where h >= 31"),
    "all w except some": SizesProof(
        SizesStatus.PROVED, {"w": 2}, excepted=f"such as at {' '.join('abcdefghijklmnopqr')}"
    ),
    "only i=3": SizesProof(SizesStatus.PROVED, fixed={"i": 3}),
    "not at b=1 h=1": SizesProof(
        SizesStatus.REFUTED, counterexample=SizesCounterexample({"b": 1, "h": 1}, (0,), "the bias is missing")
    ),
    "unknown": SizesProof(SizesStatus.UNKNOWN),
}
"""By what a table says of them in a few words."""
