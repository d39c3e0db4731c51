"""Finds a mapping between two sides, and has it proved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import Layer
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from convcheck.solving.origins import Origin
from convcheck.solving.program import program
from convcheck.solving.search import Answer, in_other_layout, layout_problem, search
from convcheck.solving.solution import Solution, Status, Written
from convcheck.user_code.user_module import UserModule


def solve(case: Case) -> Solution:
    """Return the mapping from a case's layer to its candidate, proved; what the case says of one is not looked at."""
    start = time.perf_counter()
    # A claim's sides know what goes into them.
    (claim,) = claims_of([case])
    answer = search(claim.case)
    own = case.candidate
    assert own is not None
    solution = Solution(str(case.layer), str(own.layer), Status.NONE, reason=answer.reason, unmatched=answer.unmatched)
    if answer.origins is not None:
        solution = _proved(claim.case, answer, solution)
    elif layout_problem(claim.case) is None and (mapped := in_other_layout(claim)) is not None:
        assert mapped.case.candidate is not None
        layout = mapped.case.candidate.solved_layout
        solution = replace(solution, reason=f"{answer.reason}; with --layout '{layout}' there is one")
    return replace(solution, seconds=time.perf_counter() - start)


def _proved(case: Case, answer: Answer, solution: Solution) -> Solution:
    """Return the solution with the proof of an answer."""
    own, origins = case.candidate, answer.origins
    assert own is not None
    assert origins is not None
    (claim,) = claims_of([replace(case, candidate=answer.replacement(own))])
    result = verify(claim)
    solution = replace(
        solution,
        map={name: _written(origin) for name, origin in origins.items()},
        code=program(_with_tied(own.layer, origins)),
        exchangeable=answer.exchangeable,
        result=result,
    )
    if result.verdict is not Verdict.EQUAL:
        why = f"one that fits on random numbers is not proved: {result.verdict}, {result.reason}"
        return replace(solution, reason=why)
    return replace(solution, status=Status.NOT_UNIQUE if answer.exchangeable else Status.FOUND)


def _with_tied(layer: Layer, origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return origins by all names of tensors: tied ones have several, and a state dict has each of them."""
    named = dict(origins)
    if isinstance(layer, UserModule):
        names = {id(tensor): name for name, tensor in layer.module.named_parameters()}
        for name, tensor in layer.module.named_parameters(remove_duplicate=False):
            if (origin := origins.get(names[id(tensor)])) is not None:
                named.setdefault(name, origin)
    return named


def _written(origin: Origin) -> Written:
    if origin.source is None:
        return Written(origin.sources, None, origin.text)
    return Written(origin.sources, str(origin.source), None)
