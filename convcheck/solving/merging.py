"""The mapping that the relations of both sides tell, where entries are merged, repeated, scaled or added."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from convcheck.all_sizes.sizes import CannotProve
from convcheck.results import Sides
from convcheck.solving.derived import Derived
from convcheck.solving.evaluation import contained
from convcheck.solving.graphs import OURS, read_both
from convcheck.solving.halves import Half
from convcheck.solving.origins import Origin
from convcheck.solving.pairing import agree_by
from convcheck.solving.program import function, program
from convcheck.solving.relations import Found, Matching, Term
from convcheck.solving.terms import NoWords, Speller
from convcheck.solving.words import Writer


@dataclass(frozen=True)
class Merged:
    """The origins of the candidate's tensors, or why there are none; and what could as well be mapped otherwise."""

    origins: Mapping[str, Origin] | None
    reason: str | None = None
    exchangeable: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    """The reference's tensors that nothing in the candidate stands for."""


def merged(halves: Sides[Half], writer: Writer, unmatched: Sequence[str]) -> Merged:
    """Return the mapping that holds wherever both sides are sums of products alike.

    `unmatched` are the candidate's tensors that have no partner by themselves.
    """
    try:
        read = read_both(halves)
    except Exception as error:
        # torch's tracer may raise anything; then nothing is known.
        return Merged(None, f"the sides are no sums of products: {error}")
    matching = Matching(read)
    try:
        found = matching.match()
    except CannotProve as error:
        return Merged(None, error.why)
    if found.missing:
        return Merged(None, _nearest(found, halves, unmatched), unmatched=tuple(dict.fromkeys(found.missing)))
    derived = {
        one.name: Derived(one.node, one.number, read.graph, read.names, writer.has) for one in matching.derived()
    }
    speller = Speller(writer, derived)
    shapes = halves.candidate.shapes
    try:
        origins = {name: speller.origin(_plain(found.of(name)), shape) for name, shape in shapes.items()}
    except NoWords as error:
        return Merged(None, f"a parameter would be {error}")
    if not _computes_alike(halves, function(program(origins))):
        return Merged(None, "what stands for the candidate's entries differs from place to place")
    return Merged(origins, exchangeable=tuple(_freedom(found, halves)))


def _nearest(found: Found, halves: Sides[Half], unmatched: Sequence[str]) -> str:
    """Say what alone is in the way."""
    missing = list(dict.fromkeys(found.missing))
    rest = [name for name in halves.reference.shapes if name not in missing]
    matched = {name.removeprefix(OURS) for terms in found.terms.values() for _, names in terms for name in names}
    but = f"everything but {' and '.join(missing)} matches; " if rest and set(rest) <= matched else ""
    # What has partners by gradients may still be what the missing one is to be held against.
    sizes = {math.prod(halves.reference.shapes[name]) for name in missing if name in halves.reference.shapes}
    alike = [name for name, shape in halves.candidate.shapes.items() if math.prod(shape) in sizes]
    if not unmatched and not alike:
        return f"{but}the candidate has nothing for {' and '.join(missing)}"
    theirs, ours = _shaped(unmatched or alike, halves.candidate), _shaped(missing, halves.reference)
    return f"{but}the candidate has {theirs}, the reference {ours}, and no map makes one of the other"


def _shaped(names: Sequence[str], half: Half) -> str:
    """Write tensors with their shapes, four at most."""
    texts = [f"{name} {list(half.shapes[name])}" if name in half.shapes else name for name in names]
    return " and ".join(texts[:4]) + (f" and {len(texts) - 4} more" if len(texts) > 4 else "")


def _freedom(found: Found, halves: Sides[Half]) -> Iterator[str]:
    for name in sorted(found.shared):
        yield f"{name} is added to others, so that only the sum is determined"
    for name, shape in halves.candidate.shapes.items():
        met = found.met.get(name)
        if met is None:
            yield f"{name} does not matter"
        elif not bool(contained(met, shape).all()):
            yield f"entries of {name} do not matter"


def _plain(terms: Sequence[Term]) -> list[Term]:
    """Return terms with the reference's own names for its tensors."""
    return [replace(term, factors=tuple(name.removeprefix(OURS) for name in term.factors)) for term in terms]


def _computes_alike(halves: Sides[Half], convert: Callable[[dict[str, Any]], Mapping[str, Any]]) -> bool:
    """Tell whether both sides compute the same on random numbers, with the candidate's made by a function."""

    def index(ours: torch.Tensor) -> torch.Tensor:
        made = convert(halves.reference.tensors(ours))
        return torch.cat([made[name].to(ours.dtype).flatten() for name in halves.candidate.shapes])

    return agree_by(halves, index, torch.Generator().manual_seed(1))
