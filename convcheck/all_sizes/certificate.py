"""The text of a certificate: what was claimed, for which sizes, what both sides are, and what was shown of them.

It has no time, and nothing in it is in an order that chance decides: the same claim makes the same text wherever torch
is the same.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.all_sizes.axes import FreeAxis
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.notation import Notation
from convcheck.all_sizes.points import as_tuples, at
from convcheck.all_sizes.regions import Exploration, Region
from convcheck.all_sizes.second_look import Look
from convcheck.all_sizes.trace import symbol
from convcheck.all_sizes.wording import Words
from convcheck.results import Sides, SizesProof

MOST_PARTS = 6
"""How many convex parts of the sizes on one path are written out."""


@dataclass(frozen=True)
class Certificate:
    """What a certificate is written of. `about` has what it says of the claim, by headings."""

    about: Mapping[str, str]
    both: Both
    axes: Sequence[FreeAxis]
    exploration: Exploration
    proof: SizesProof
    looks: Sequence[Look]
    relations: Sequence[Sides[tuple[str, ...]]]
    """What both sides are on each path."""

    def text(self) -> str:
        """Return the text."""
        sections = {
            "Claim": self._claim(),
            "Sizes": self._sizes(),
            "Paths": self._paths(),
            "Relations": self._relations(),
            "Shown": self._shown(),
            "Run in torch": self._run(),
            "Made with": self._versions(),
        }
        return (
            "\n\n".join("\n".join((title, *(f"  {line}" for line in lines))) for title, lines in sections.items())
            + "\n"
        )

    def _claim(self) -> Iterator[str]:
        yield "Both sides compute the same real numbers, for all inputs and weights, at all sizes below."
        yield from (f"{heading}: {text}" for heading, text in self.about.items())
        for number, shape in enumerate(self.both.sides.reference.inputs):
            yield f"input {number}, as it was asked: {' x '.join(map(str, shape))}"
        yield from (f"map: {' '.join(str(move).split())}" for move in self.both.mapping.moves)

    def _sizes(self) -> Iterator[str]:
        for name, low in self.proof.free.items():
            divisor = self.proof.divisible.get(name)
            yield f"{name}: all from {low} on" + (f" that are multiples of {divisor}" if divisor else "")
        for name, size in self.proof.fixed.items():
            yield f"{name}: {size} only, {self._why_fixed(name, size)}"
        for one in self.proof.probed:
            yield f"{one}: run in torch at the smallest sizes of the others, and not proved"
        if self.proof.obstacle is not None:
            yield f"more is not free: {self.proof.obstacle}"
        for side in ("reference", "candidate"):
            if (where := getattr(self.proof.raises, side)) is not None:
                yield f"the {side} alone raises {where}"

    def _why_fixed(self, name: str, size: int) -> str:
        """Say whose code fixes an axis."""
        name_of_length = next((axis.symbol for axis in self.axes if axis.name == name), None)
        if name_of_length is None:
            return "a length of the reference's weights as they are"
        if self._fixes(self.exploration.world, name_of_length, size):
            return "as the reference's weights need it"
        guards = self.exploration.path.guards
        if self._fixed_by(guards.reference, name_of_length):
            return "by the code of the reference"
        return (
            f"by the code of {'the candidate' if self._fixed_by(guards.candidate, name_of_length) else 'both together'}"
        )

    def _fixed_by(self, guards: Sequence[Any], name: str) -> bool:
        """Tell whether conditions that code met leave one length only."""
        path = replace(self.exploration.path, guards=Sides(tuple(guards), ()))
        return bool(path.sizes().size(symbol(name)).is_Integer)

    @staticmethod
    def _fixes(sizes: Any, name: str, size: int) -> bool:
        return bool(as_tuples(sizes, [name]).is_subset(as_tuples(at({name: size}), [name])))

    def _paths(self) -> Iterator[str]:
        for number, region in enumerate(self.exploration.equal, 1):
            yield f"{number}. {self._where(region)}"
            yield f"   graph sha256 {graph_hash(region.trace.graph)}"
        for side, where in self.exploration.raising:
            yield f"the {side} raises: {self._said(where)}"

    def _where(self, region: Region) -> str:
        unsaid = self._said(region.region)
        return unsaid if unsaid else "all sizes"

    def _said(self, sizes: Any) -> str:
        """Return what holds of sizes, besides what is asked about."""
        order = [axis.symbol for axis in self.axes]
        plain = as_tuples(sizes, order).gist(as_tuples(self.exploration.world, order)).compute_divs().coalesce()
        words = Words(self.exploration.path.sizes(), [axis.name for axis in self.axes])
        texts = sorted(" and ".join(sorted(words.conditions(one))) for one in plain.get_basic_sets())
        if len(texts) > MOST_PARTS:
            return f"{len(texts)} convex parts, of which one is {texts[0]}"
        return " or ".join(texts) or "all sizes"

    def _relations(self) -> Iterator[str]:
        yield "Every index runs where all are inside their tensors; a length is called as its axis, in capitals."
        for number, sides in enumerate(self.relations, 1):
            for side in ("reference", "candidate"):
                yield f"{number}. {side}"
                yield from (f"   {line}" for line in getattr(sides, side))

    def _shown(self) -> Iterator[str]:
        yield "the shapes of both outputs are the same polynomials in the sizes"
        yield "every product of entries is counted as often on both sides: an index that is summed is a function of the"
        yield "  output's and the factors' ones, or how often it occurs is in the coefficient"
        for number, region in enumerate(self.exploration.equal, 1):
            for monomial in self._monomials(region):
                yield f"{number}. both sides' relations and coefficients of {monomial} differ nowhere (isl: empty sets)"
            for name, made in region.sources.made.items():
                yield f"{number}. {name} is {made.operator}, which makes the same of equal arguments on both sides"
        names = set().union(*(operators(region.trace.graph) for region in self.exploration.equal))
        yield f"operators read: {', '.join(sorted(names))}"

    def _monomials(self, region: Region) -> list[str]:
        """Return the products of entries that both sides are sums of."""
        notation = Notation(self.both, self.axes, region)
        products = [piece.factors for one in (region.values.reference, region.values.candidate) for piece in one.pieces]
        names = [sorted(notation.tensor_name(entry.source.name) for entry in factors) for factors in products]
        return sorted({" * ".join(one) or "1" for one in names})

    def _run(self) -> Iterator[str]:
        yield "What was read of both sides is what torch computes, and both are equal, on whole numbers by chance:"
        for look in self.looks:
            sizes = " ".join(f"{name}={size}" for name, size in look.sizes.items())
            yield f"at {sizes}, {look.entries} of {look.of} entries of the output"

    @staticmethod
    def _versions() -> Iterator[str]:
        yield f"convcheck {version('convcheck')}, torch {torch.__version__}"
        yield f"islpy {version('islpy')}, Python {platform.python_version()}"


def operators(graph: fx.GraphModule) -> set[str]:
    """Return the names of all operators in a graph."""
    targets = {node.target for node in graph.graph.nodes if node.op == "call_function"}
    return {str(one).removeprefix("aten.") for one in targets if isinstance(one, torch._ops.OpOverload)}


def graph_hash(graph: fx.GraphModule) -> str:
    """Return the hash of the text of a graph."""
    return hashlib.sha256(graph_text(graph).encode()).hexdigest()


def graph_text(graph: fx.GraphModule) -> str:
    """Return a graph as a text: a node a line, numbered, with its operator, arguments and result's shape."""
    numbers = {node: f"%{number}" for number, node in enumerate(graph.graph.nodes)}
    lines = []
    for node in graph.graph.nodes:
        arguments = fx.node.map_arg((node.args, node.kwargs), lambda one: _Name(numbers[one]))
        value = node.meta.get("val")
        what = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else str(value)
        target = _constant(getattr(graph, str(node.target))) if node.op == "get_attr" else _target(node.target)
        lines.append(f"{numbers[node]} = {node.op} {'' if node.op == 'placeholder' else target} {arguments} -> {what}")
    return "\n".join(lines)


def _target(target: Any) -> str:
    return str(target) if isinstance(target, torch._ops.OpOverload) else getattr(target, "__name__", str(target))


class _Name(str):
    """The name of a node among arguments."""

    def __repr__(self) -> str:
        return str(self)


def _constant(tensor: Tensor) -> str:
    """Return a tensor of numbers as a text."""
    return f"{tuple(tensor.shape)} {tensor.dtype} {tensor.tolist()}"
