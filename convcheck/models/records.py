"""What comes of scanning a model. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convcheck.results import SizesProof, Tool, Verdict
from convcheck.sizes.patterns import Shapes

MIN_SPEEDUP = 1.1
"""By how much a rewrite has to be faster to be swapped in."""


@dataclass(frozen=True)
class Gain:
    """Seconds of a call of both sides, and their ratio, reference / candidate, with its 95 % interval."""

    reference: float
    candidate: float
    ratio: float
    low: float
    high: float

    @property
    def saved(self) -> float:
        """The seconds that a call saves: by the ratio, whose rounds stand beside each other, not by two medians."""
        return self.reference * (1 - 1 / self.ratio)


@dataclass(frozen=True)
class Tried:
    """One rewrite of a layer: `ok` where it is equal on all of the alike layers' weights, in every dtype."""

    rewrite: str
    verdict: Verdict
    ok: bool
    reason: str | None = None
    sizes: SizesProof = field(default_factory=SizesProof)
    bench: Mapping[str, Gain] = field(default_factory=dict)
    """By dtype."""
    is_fault: bool = field(default=False, repr=False)
    """Whether convcheck itself failed on it."""


Place = tuple[str, ...]
"""The path of a layer, or those of a chain, the first of which is where a merged layer stands."""


def write_place(place: Place) -> str:
    """Return a place as a reader sees it: `a.b.conv + .norm` has both in `a.b`."""
    parent = place[0].rpartition(".")[0]
    return " + ".join(
        (place[0], *(path[len(parent) :] if path.startswith(f"{parent}.") else path for path in place[1:]))
    )


@dataclass(frozen=True)
class LayerLine:
    """Layers that are alike, or chains: of one text, called as often on inputs of the same shapes."""

    paths: tuple[str, ...]
    layer: str
    inputs: Shapes
    calls: int
    """Of one of them, in one call of the model."""
    params: int
    rewrites: tuple[Tried, ...] = ()
    skipped: str | None = None
    """Why nothing is tried."""
    merged: tuple[tuple[str, ...], ...] = ()
    """Of chains, for every path the layers behind it that are merged into it."""
    by_hand: str | None = None
    """What has to be changed by hand, where a part of it is code: a swap of modules is not enough."""

    @property
    def places(self) -> tuple[Place, ...]:
        return _places(self.paths, self.merged)

    def saved(self, dtype: str) -> float:
        """Return the seconds that the best rewrite saves in one call of the model; 0 where none is faster."""
        gains = (one.bench[dtype] for one in self.rewrites if one.ok and dtype in one.bench)
        return max((self.count * gain.saved for gain in gains if gain.low > 1), default=0.0)

    @property
    def count(self) -> int:
        """How often layers of this line are called in one call of the model."""
        return self.calls * len(self.paths)


@dataclass(frozen=True)
class Whole:
    """Seconds of a call of the model before and after the swap, and what the layers' gains foretell for after."""

    before: float
    after: float
    ratio: float
    low: float
    high: float
    foretold: float


@dataclass(frozen=True)
class Check:
    """The swapped model against the model, on its example inputs.

    `bound` is what rounding explains of `max_abs`; the two in float64 are None where the model does not run in it.
    `argmax_agree` is the share of rows whose largest entry is at the same place, `top_k_agree` that of rows whose
    largest five are the same; None where no output is of rows of numbers.
    """

    status: str
    """`identical`, `within-bound` or `different`."""
    max_abs: float | None
    bound: float | None
    max_abs_float64: float | None = None
    bound_float64: float | None = None
    argmax_agree: float | None = None
    top_k_agree: float | None = None
    reason: str | None = None
    """Why it is different."""

    @property
    def ok(self) -> bool:
        """Whether the swapped model computes what the model does."""
        return self.status != "different"


@dataclass(frozen=True)
class Files:
    """The files that a swap is written to."""

    weights: str
    code: str
    config: str
    before: str | None
    """The weights of merged layers as they were, which have no way back; None where none are merged."""


@dataclass(frozen=True)
class Choice:
    """A rewrite that is swapped in for layers that are alike."""

    paths: tuple[str, ...]
    rewrite: str
    merged: tuple[tuple[str, ...], ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        return _places(self.paths, self.merged)


def _places(paths: tuple[str, ...], merged: tuple[tuple[str, ...], ...]) -> tuple[Place, ...]:
    return tuple((path, *behind) for path, behind in zip(paths, merged or ((),) * len(paths), strict=True))


@dataclass(frozen=True)
class ScanReport:
    """All layers of a model that have rewrites, in the order of the time they save, and what was done with them."""

    model: str
    tool: Tool
    layers: tuple[LayerLine, ...]
    dtypes: tuple[str, ...]
    """In which layers were verified and timed."""
    chosen: tuple[Choice, ...] = ()
    """What is worth a swap, or was named."""
    left_out: tuple[str, ...] = ()
    """The rewrites that hold somewhere and take far more work than the layer."""
    whole: Mapping[str, Whole] = field(default_factory=dict)
    applied: tuple[str, ...] = ()
    check: Check | None = None
    files: Files | None = None
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    example: Any = field(default=None, repr=False)
    """The inputs that the model was called with."""

    @property
    def ok(self) -> bool:
        """Whether everything that was tried and everything that was applied holds."""
        tried = all(one.ok for line in self.layers for one in line.rewrites)
        return not self.interrupted and tried and (self.check is None or self.check.ok)

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        return {
            "model": self.model,
            "tool": self.tool,
            "ok": self.ok,
            "interrupted": self.interrupted,
            "layers": self.layers,
            "left_out": self.left_out,
            "chosen": self.chosen,
            "whole": self.whole,
            "applied": self.applied,
            "check": self.check,
            "files": self.files,
            "notes": self.notes,
        }
