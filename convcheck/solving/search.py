"""Finds a mapping between two sides, and has it proved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from convcheck.all_sizes.sizes import CannotProve
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.config.replacement import MapFunction, Replacement
from convcheck.errors import CannotRunError
from convcheck.proof.traced_pair import build_modules, sides_of
from convcheck.proof.verification import verify
from convcheck.results import Result, Sides, Verdict
from convcheck.sides.torch_modes import known_modes
from convcheck.solving.derived import Derived
from convcheck.solving.evaluation import contained
from convcheck.solving.graphs import OURS, read_both
from convcheck.solving.halves import Half
from convcheck.solving.origins import Origin, origin_of_entries
from convcheck.solving.pairing import Pairing, agree, agree_by, pairing
from convcheck.solving.program import function, program
from convcheck.solving.refinement import Refinement
from convcheck.solving.relations import Matching, Term
from convcheck.solving.solution import Solution, Status, Written
from convcheck.solving.terms import NoWords, Speller
from convcheck.solving.words import Writer

SECONDS = 30.0
"""How long a mapping is looked for."""


@known_modes()
def solve(case: Case) -> Solution:
    """Return the mapping from a case's layer to its candidate, proved; what the case says of one is not looked at."""
    start = time.monotonic()
    (claim,) = claims_of([case])
    bound = claim.case
    own = bound.candidate
    assert own is not None
    begun = Solution(str(case.layer), str(own.layer), Status.NONE)
    try:
        solution = _solved(bound, replace(own, map={}, map_by=None), begun, start + SECONDS)
    except CannotRunError as error:
        solution = replace(begun, reason=f"could not be run: {error}")
    return replace(solution, seconds=time.monotonic() - start)


def _solved(case: Case, own: Replacement, begun: Solution, deadline: float) -> Solution:
    """Return the solution of a case without a mapping. Raises CannotRunError as the sides do."""
    modules = build_modules(case, own)
    sides = sides_of(case, own, modules, {})
    halves = Sides(Half(sides.reference), Half(sides.candidate))
    shapes = _output_shapes(halves)
    if shapes.reference != shapes.candidate:
        texts = " and ".join(str(list(shape)) for shape in (shapes.reference, shapes.candidate))
        return replace(begun, reason=f"the outputs are {texts}; --layout says how one becomes the other")
    writer = Writer(halves.reference.shapes, sides.reference.parameter_axes)
    found = _by_gradients(halves, deadline)
    if found is None:
        return replace(begun, reason="time is up")
    if agree(halves, found.index, _generator(1)):
        origins = {
            name: origin_of_entries(index, 1.0, writer)
            for name, index in halves.candidate.tensors(found.index).items()
        }
        return _proved(case, own, begun, origins, found.exchangeable)
    return _by_relations(case, own, replace(begun, unmatched=found.unmatched), halves, writer)


def _by_relations(case: Case, own: Replacement, begun: Solution, halves: Sides[Half], writer: Writer) -> Solution:
    """Return the solution that the relations of both sides tell."""
    try:
        read = read_both(halves)
    except Exception as error:
        # torch's tracer may raise anything; then nothing is known.
        return replace(begun, reason=f"the sides are no sums of products: {error}")
    matching = Matching(read)
    try:
        found = matching.match()
    except CannotProve as error:
        return replace(begun, reason=error.why)
    if found.missing:
        names = " and ".join(dict.fromkeys(found.missing))
        return replace(begun, reason=f"the candidate has nothing that stands for {names} everywhere")
    derived = {one.name: Derived(one.node, read.graph, read.names, writer.has) for one in matching.derived()}
    speller = Speller(writer, derived)
    try:
        origins = {name: speller.origin(_plain(found.of(name)), shape) for name, shape in halves.candidate.shapes.items()}
    except NoWords as error:
        return replace(begun, reason=f"it would be {error}")
    if not _computes_alike(halves, function(program(origins))):
        return replace(begun, reason="what stands for the candidate's entries differs from place to place")
    texts = [f"{name} is added to others, so that only the sum is determined" for name in sorted(found.shared)]
    for name, shape in halves.candidate.shapes.items():
        met = found.met.get(name)
        if met is None or not bool(contained(met, shape).all()):
            texts.append(f"{'entries of ' * (met is not None)}{name} {'do' if met else 'does'} not matter")
    return _proved(case, own, begun, origins, tuple(texts))


def _plain(terms: Sequence[Term]) -> list[Term]:
    """Return terms with the reference's own names for its tensors."""
    return [replace(term, factors=tuple(name.removeprefix(OURS) for name in term.factors)) for term in terms]


def _computes_alike(halves: Sides[Half], convert: Callable[[dict[str, Any]], Mapping[str, Any]]) -> bool:
    """Tell whether both sides compute the same on random numbers, with the candidate's made by a function."""

    def index(ours: torch.Tensor) -> torch.Tensor:
        made = convert(halves.reference.tensors(ours))
        return torch.cat([made[name].to(ours.dtype).flatten() for name in halves.candidate.shapes])

    return agree_by(halves, index, _generator(1))


def _by_gradients(halves: Sides[Half], deadline: float) -> Pairing | None:
    """Return the pairs of entries that gradients show; the likelier ones where not all do. None when time is up."""
    found = None
    for all_at_once in (True, False):
        classes = Refinement(halves, _generator(0), deadline).search(all_at_once=all_at_once)
        if classes is None:
            return found
        another = pairing(classes, halves)
        if agree(halves, another.index, _generator(1)):
            return another
        found = found or another
        if not classes.exchangeable:
            return found
    return found


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


def _proved(
    case: Case, own: Replacement, begun: Solution, origins: Mapping[str, Origin], exchangeable: tuple[str, ...]
) -> Solution:
    """Return the solution with the proof of these origins."""
    code = program(origins)
    sources = {name: origin.source for name, origin in origins.items()}
    if None in sources.values():
        mapped = replace(own, map_by=MapFunction(function(code), "convert"))
    else:
        mapped = replace(own, map={name: source for name, source in sources.items() if source is not None})
    (claim,) = claims_of([replace(case, candidate=mapped)])
    result = verify(claim)
    status = Status.NONE
    if result.verdict is Verdict.EQUAL:
        status = Status.NOT_UNIQUE if exchangeable else Status.FOUND
    return replace(
        begun,
        status=status,
        map={name: _written(origin) for name, origin in origins.items()},
        code=code,
        exchangeable=exchangeable,
        result=result,
        reason=None if status is not Status.NONE else _why(result),
    )


def _why(result: Result) -> str:
    return f"a mapping that fits on random numbers is not proved: {result.verdict}, {result.reason}"


def _written(origin: Origin) -> Written:
    if origin.source is None:
        return Written(origin.sources, None, origin.text)
    return Written(origin.sources, str(origin.source), None)
