"""Verdicts on layers that are alike: all evidence for the first, and what depends on weights for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from convcheck.catalogue.claims import Claim
from convcheck.errors import CannotRunError
from convcheck.models.lines import Line, claim_of
from convcheck.models.records import Tried
from convcheck.models.text_leaf import TextLeaf
from convcheck.proof.build_pair import build_pair
from convcheck.proof.context import Context
from convcheck.proof.evidence import floating_point
from convcheck.proof.fault import result_of_fault
from convcheck.proof.real_weights import departures
from convcheck.proof.verification import begin_result, verify
from convcheck.results import Agreement, Exact, Result, Verdict
from convcheck.sides.torch_modes import known_modes


@dataclass(frozen=True)
class Verified:
    """What is reported of one rewrite of one line, and the claims on its first layer with their results, by dtype."""

    tried: Tried
    claims: tuple[tuple[Claim, Result], ...]


def verified(
    line: Line, rewrite: str, dtypes: Sequence[str], begin: Callable[[str], None], fail: Callable[[Exception], None]
) -> Verified:
    """Verify a rewrite of a line on the weights of all of its layers, in every dtype. `fail` gets our own faults."""
    claims: list[tuple[Claim, Result]] = []
    for dtype in dtypes:
        claim = claim_of(line.first, line.shapes, rewrite, dtype)
        begin(f"{claim.case.name} {rewrite} {dtype}")
        claims.append((claim, _result(claim, fail)))
        last = claims[-1][1]
        if last.verdict is not Verdict.EQUAL or not last.ok:
            break
        for leaf in line.leaves[1:]:
            if isinstance(leaf, TextLeaf) and leaf.weights is None:
                # Its weights are those that were drawn for the first.
                continue
            if reasons := _on_weights(claim_of(leaf, line.shapes, rewrite, dtype), fail):
                bad = replace(last, verdict=Verdict.DIFFERENT, ok=False)
                claims[-1] = (claim, bad)
                text = f"{leaf.path}: {'; '.join(reasons)}"
                return Verified(Tried(rewrite, Verdict.DIFFERENT, False, text), tuple(claims))
    worst = claims[-1][1]
    tried = Tried(rewrite, worst.verdict, worst.ok, worst.reason, worst.sizes, is_fault=worst.is_fault)
    return Verified(tried, tuple(claims))


def _result(claim: Claim, fail: Callable[[Exception], None]) -> Result:
    try:
        return verify(claim)
    except Exception as error:
        fail(error)
        return result_of_fault(claim, error)


@known_modes()
def _on_weights(claim: Claim, fail: Callable[[Exception], None]) -> list[str]:
    """Return why an alike layer is not equal on weights of its own: it is run as itself, and in floating point.

    That both sides are one polynomial was seen on the first layer, and does not depend on weights.
    """
    try:
        if unlike := departures(claim.case):
            return list(unlike)
        begun = replace(begin_result(claim), exact=Exact(Agreement.IDENTICAL))
        evidence = floating_point.examine(Context(claim, build_pair(claim), begun))
        return list(map(str, evidence.findings))
    except CannotRunError as error:
        return [f"could not be run: {error}"]
    except Exception as error:
        fail(error)
        return ["convcheck itself failed"]
