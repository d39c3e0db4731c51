"""Finds a mapping between two sides."""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.config.replacement import MapFunction, Replacement
from convcheck.errors import CannotRunError, PatternError
from convcheck.proof.evidence.output_layout import is_proved, laid_out, unlike
from convcheck.proof.traced_pair import build_modules, sides_of
from convcheck.results import Sides
from convcheck.sides.torch_modes import known_modes
from convcheck.solving.halves import Half
from convcheck.solving.layouts import layouts
from convcheck.solving.origins import Origin, origin_of_entries
from convcheck.solving.pairing import Pairing, agree, pairing
from convcheck.solving.program import NAME, function, program
from convcheck.solving.reads import other_reads
from convcheck.solving.refinement import Refinement
from convcheck.solving.words import Writer

SECONDS = 60.0
"""How long entries are looked for."""

MOST_LAYOUTS = 8
"""In how many layouts of the output a mapping is looked for."""


@dataclass(frozen=True)
class Answer:
    """The origins of the candidate's tensors, not yet proved; None where there are none, and then why.

    `exchangeable` is what could as well be mapped otherwise, and `unmatched` has the tensors without partners.
    """

    origins: Mapping[str, Origin] | None
    reason: str | None = None
    cannot_run: str | None = None
    """Why torch cannot run a side, which is then the reason."""
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
    """Return a claim with a mapping where it needs one; a refused claim where there is none, or no such layout.

    A side that torch cannot run is known to the claim.
    """
    own = claim.case.candidate
    if own is None or claim.refusals:
        return claim
    if (problem := layout_problem(claim.case)) is not None:
        return replace(claim, refusals=(problem,))
    if not own.lacks_map(claim.case.layer):
        return claim
    answer = search(claim.case)
    if answer.cannot_run is not None:
        return replace(claim, cannot_run=answer.cannot_run)
    if answer.origins is None:
        if (mapped := in_other_layout(claim)) is not None:
            return mapped
        why = f"no map is given, and none is found: {answer.reason}"
        if answer.unmatched != Sides((), ()):
            why += "; with a map, what differs is named"
        return replace(claim, refusals=(why,))
    (mapped,) = claims_of([replace(claim.case, candidate=answer.replacement(own))])
    return mapped


@known_modes()
def in_other_layout(claim: Claim) -> Claim | None:
    """Return a claim with the mapping under which both sides are equal in another layout of the output.

    The layout stays as it was, so that the claim does not hold, and the other one is known. None where there is none.
    """
    case, own = claim.case, claim.case.candidate
    assert own is not None
    deadline = time.monotonic() + SECONDS
    try:
        for layout in itertools.islice(layouts(case, replace(own, map={}, map_by=None)), MOST_LAYOUTS):
            answer = search(laid_out(claim, own, layout).case)
            mapped = replace(answer.replacement(own), solved_layout=layout)
            if answer.origins is not None and is_proved(laid_out(claim, mapped, layout)):
                return laid_out(claim, mapped, own.layout)
            if time.monotonic() > deadline:
                break
    except (CannotRunError, PatternError):
        # What cannot be run is told of the claim as it is.
        pass
    return None


@known_modes()
def layout_problem(case: Case) -> str | None:
    """Say why the layout that is given cannot be that of the candidate's output; None if it can be."""
    problem = None if case.candidate is None else case.candidate.layout_problem(case.inputs)
    return None if problem is None else f"layout: {problem}"


@known_modes()
def search(case: Case) -> Answer:
    """Return the mapping from a case's layer to its candidate, whatever mapping the case has."""
    assert case.candidate is not None
    if (problem := layout_problem(case)) is not None:
        return Answer(None, problem)
    try:
        return _found(case, replace(case.candidate, map={}, map_by=None))
    except CannotRunError as error:
        return Answer(None, f"could not be run: {error}", cannot_run=str(error))


def _found(case: Case, own: Replacement) -> Answer:
    """Return the mapping of a case. Raises CannotRunError as the sides do."""
    deadline = time.monotonic() + SECONDS
    sides = sides_of(case, own, build_modules(case, own), {})
    halves = Sides(Half(sides.reference), Half(sides.candidate))
    shapes = _output_shapes(halves)
    if shapes.reference != shapes.candidate:
        return Answer(None, unlike(shapes))
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

    told = merged(halves, writer, unmatched.candidate)
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
