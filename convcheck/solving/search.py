"""Finds a mapping between two sides."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.config.replacement import MapFunction, Replacement
from convcheck.errors import CannotRunError
from convcheck.proof.traced_pair import build_modules, sides_of
from convcheck.results import Sides
from convcheck.sides.torch_modes import known_modes
from convcheck.solving.halves import Half
from convcheck.solving.origins import Origin, origin_of_entries
from convcheck.solving.pairing import Pairing, agree, pairing
from convcheck.solving.program import NAME, function, program
from convcheck.solving.reads import other_reads
from convcheck.solving.refinement import Refinement
from convcheck.solving.words import Writer

SECONDS = 60.0
"""How long entries are looked for."""


@dataclass(frozen=True)
class Answer:
    """The origins of the candidate's tensors, not yet proved; None where there are none, and then why.

    `exchangeable` is what could as well be mapped otherwise, and `unmatched` has the tensors without partners.
    """

    origins: Mapping[str, Origin] | None
    reason: str | None = None
    exchangeable: tuple[str, ...] = ()
    unmatched: Sides[tuple[str, ...]] = Sides((), ())

    def replacement(self, own: Replacement) -> Replacement:
        """Return a candidate with this mapping: as sources, or as a function where there are no words for one."""
        origins = self.origins or {}
        sources = {name: origin.source for name, origin in origins.items()}
        if None in sources.values():
            convert = MapFunction(function(program(origins)), f"{NAME}, which `convcheck solve ... -v` prints")
            return replace(own, map={}, map_by=convert, solved=True)
        told = {name: source for name, source in sources.items() if source is not None}
        return replace(own, map=told, map_by=None, solved=True)


def with_map(claim: Claim) -> Claim:
    """Return a claim with a mapping where it needs one; a refused claim where there is none."""
    own = claim.case.candidate
    if own is None or claim.refusals or not own.lacks_map(claim.case.layer):
        return claim
    answer = search(claim.case)
    if answer.origins is None:
        return replace(claim, refusals=(f"no map is given, and none is found: {answer.reason}",))
    (mapped,) = claims_of([replace(claim.case, candidate=answer.replacement(own))])
    return mapped


@known_modes()
def search(case: Case) -> Answer:
    """Return the mapping from a case's layer to its candidate, whatever mapping the case has."""
    assert case.candidate is not None
    try:
        return _found(case, replace(case.candidate, map={}, map_by=None))
    except CannotRunError as error:
        return Answer(None, f"could not be run: {error}")


def _found(case: Case, own: Replacement) -> Answer:
    """Return the mapping of a case. Raises CannotRunError as the sides do."""
    deadline = time.monotonic() + SECONDS
    sides = sides_of(case, own, build_modules(case, own), {})
    halves = Sides(Half(sides.reference), Half(sides.candidate))
    shapes = _output_shapes(halves)
    if shapes.reference != shapes.candidate:
        texts = " and ".join(str(list(shape)) for shape in (shapes.reference, shapes.candidate))
        return Answer(None, f"the outputs are {texts}; --layout says how one becomes the other")
    writer = Writer(halves.reference.shapes, sides.reference.parameter_axes)
    pairs = _by_gradients(halves, deadline)
    if pairs is not None and agree(halves, pairs.index, _generator(1)):
        tensors = halves.candidate.tensors(pairs.index)
        origins = {name: origin_of_entries(index, 1.0, writer) for name, index in tensors.items()}
        return Answer(origins, exchangeable=pairs.exchangeable)
    unmatched: Sides[tuple[str, ...]] = pairs.unmatched if pairs is not None else Sides((), ())
    if importlib.util.find_spec("islpy") is None:
        why = "entries do not match one by one, and islpy, which tells more, is not installed"
        return Answer(None, why, unmatched=unmatched)
    from convcheck.solving.merging import merged

    told = merged(halves, writer)
    if told.origins is not None:
        return Answer(told.origins, exchangeable=told.exchangeable)
    if told.unmatched:
        unmatched = replace(unmatched, reference=told.unmatched)
    reasons = [told.reason or "", other_reads(halves, _generator(3)) or ""]
    return Answer(None, "; ".join(filter(None, reasons)), unmatched=unmatched)


def _by_gradients(halves: Sides[Half], deadline: float) -> Pairing | None:
    """Return the pairs of entries that gradients show; the likelier ones where not all do. None when time is up."""
    likelier = None
    for all_at_once in (True, False):
        classes = Refinement(halves, _generator(0), deadline).search(all_at_once=all_at_once)
        if classes is None:
            return likelier
        pairs = pairing(classes, halves)
        if agree(halves, pairs.index, _generator(1)):
            return pairs
        likelier = likelier or pairs
        if not classes.exchangeable:
            return likelier
    return likelier


def _generator(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def _output_shapes(halves: Sides[Half]) -> Sides[tuple[int, ...]]:
    inputs = halves.reference.draw(_generator(2))
    with torch.no_grad():
        runs = [
            half.run(inputs, torch.full((half.entries,), 0.5, dtype=torch.float64))
            for half in (halves.reference, halves.candidate)
        ]
    return Sides(*(tuple(run.shape) for run in runs))
