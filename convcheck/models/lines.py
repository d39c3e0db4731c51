"""Layers that are alike, and the claims that are made about them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from convcheck.catalogue.catalogue import applicable, catalogue
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.config.checks import DTYPES, DType
from convcheck.models.code_chains import CodeLeaf
from convcheck.models.leaves import Leaf
from convcheck.models.records import LayerLine
from convcheck.models.text_leaf import TextLeaf
from convcheck.proof.given_sides import module_side
from convcheck.sizes.patterns import Shapes

MOST_WORK = 2
"""A rewrite that is not named is tried if it takes no more than so many times the layer's work: others are no gain."""


@dataclass(frozen=True)
class Line:
    """Layers of one text, called as often on inputs of the same shapes, and the rewrites that are tried on them."""

    leaves: tuple[Leaf, ...]
    shapes: Shapes
    calls: int
    rewrites: tuple[str, ...]
    skipped: str | None

    @property
    def first(self) -> Leaf:
        return self.leaves[0]

    def record(self) -> LayerLine:
        """Return the line as it is reported, before anything is verified."""
        layer = self.first.layer
        held = sum(tensor.numel() for tensor in self.first.module.parameters())
        return LayerLine(
            tuple(leaf.path for leaf in self.leaves),
            self.first.text,
            self.shapes,
            self.calls,
            held if layer is None else layer.parameter_count(),
            skipped=self.skipped,
            merged=tuple(leaf.merged for leaf in self.leaves if leaf.merged),
            by_hand=self.first.by_hand(self.rewrites[0])
            if isinstance(self.first, CodeLeaf) and self.rewrites
            else None,
        )


@dataclass(frozen=True)
class Lines:
    """All lines of a model, and the rewrites that hold for one of them and were left out."""

    lines: tuple[Line, ...]
    left_out: tuple[str, ...]


def lines_of(leaves: Iterable[Leaf], rewrites: Sequence[str] | None, only: Sequence[str] | None) -> Lines:
    """Return the layers, those that are alike together, and what is tried on them.

    `only` are patterns of paths, as a shell has them; others are skipped. `rewrites` are tried where they hold; where
    none is named, all that hold and take little more work than the layer. A chain of which none is tried is left out.
    """
    alike: dict[tuple[type[Leaf], str, Shapes, int, str | None], list[Leaf]] = {}
    for leaf in leaves:
        paths = (leaf.path, *leaf.merged)
        if only and not all(any(fnmatch.fnmatchcase(path, pattern) for pattern in only) for path in paths):
            continue
        for shapes, count in dict(leaf.calls).items() or [((), 0)]:
            alike.setdefault((type(leaf), leaf.text, shapes, count, leaf.skipped), []).append(leaf)
    lines: list[Line] = []
    left_out = dict[str, None]()
    for (_, _, shapes, count, skipped), members in alike.items():
        names: tuple[str, ...] = ()
        if skipped is None:
            names, costly = _rewrites(members[0], shapes, rewrites)
            left_out.update(dict.fromkeys(costly))
            if not names and (members[0].merged or isinstance(members[0], CodeLeaf)):
                continue
            skipped = None if names else _none_holds(members[0], shapes, rewrites, costly)
        lines.append(Line(tuple(members), shapes, count, names, skipped))
    if rewrites:
        # Of what is tried in a chain, it is no news that none of these is made for it alone.
        chains = [leaf for line in lines for leaf in line.leaves if leaf.merged or isinstance(leaf, CodeLeaf)]
        inside = {path for leaf in chains for path in (leaf.path, *leaf.merged)}
        lines = [line for line in lines if line.rewrites or not inside.issuperset(leaf.path for leaf in line.leaves)]
    return Lines(tuple(lines), tuple(left_out))


def _rewrites(leaf: Leaf, shapes: Shapes, named: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the rewrites that are tried, and those that hold and are too much work."""
    assert leaf.layer is not None
    holding = applicable(leaf.layer, shapes)
    if named:
        return tuple(name for name in dict.fromkeys(named) if name in holding), ()
    most = MOST_WORK * leaf.layer.macs(*shapes)
    work = {name: catalogue()[name].macs(leaf.layer, *shapes) * catalogue()[name].relative_cost for name in holding}
    return (
        tuple(name for name in holding if work[name] <= most),
        tuple(name for name in holding if work[name] > most),
    )


def _none_holds(leaf: Leaf, shapes: Shapes, named: Sequence[str] | None, costly: Sequence[str]) -> str:
    """Return why no rewrite is tried, in the words of the first that is made for such layers."""
    if costly:
        return f"what holds takes far more work than the layer: {', '.join(costly)}"
    assert leaf.layer is not None
    for name in named or catalogue():
        refused = catalogue()[name].refuse(leaf.layer, shapes)
        if isinstance(leaf.layer, catalogue()[name].families) and refused:
            return f"no rewrite holds; {name}: {refused[0]}"
    return f"none of {', '.join(named)} is made for it" if named else "no rewrite holds"


def claim_of(leaf: Leaf, shapes: Shapes, rewrite: str, dtype: str) -> Claim:
    """Return the claim that a rewrite computes what a layer does, on the layer's own weights."""
    if isinstance(leaf, TextLeaf):
        assert leaf.layer is not None
        layer, source = leaf.layer, leaf.weights
    else:
        layer, source = module_side(leaf.module, own=False, train=False)
        if isinstance(leaf, CodeLeaf) and source is not None:
            source = replace(source, departures=leaf.with_code(source.departures))
    case = Case(leaf.path, layer, shapes, (rewrite,), dtype=cast("DType", dtype), weights=source)
    (claim,) = claims_of([case])
    return claim


def dtype_of(leaves: Iterable[Leaf]) -> str:
    """Return the dtype of the first weight; float32 where none is of a dtype that can be compared."""
    for leaf in leaves:
        for tensor in leaf.module.parameters():
            for name in DTYPES:
                if str(tensor.dtype) == f"torch.{name}":
                    return name
    return "float32"
