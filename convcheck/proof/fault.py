"""Makes a result of an exception that nobody foresaw, so that one claim takes nothing from the others."""

from __future__ import annotations

import traceback
from pathlib import Path

from convcheck.catalogue.claims import Claim
from convcheck.errors import cut, escape_line
from convcheck.proof.reproduce import command
from convcheck.results import Finding, Kind, Result, Verdict

_PACKAGE = Path(__file__).parents[1]
_LONGEST = 200
"""Characters of what an exception says."""


def result_of_fault(claim: Claim, error: Exception) -> Result:
    """Return the result of a claim on which convcheck failed: an `error`, with the place and what was raised."""
    case = claim.case
    words = escape_line(cut(f"{type(error).__name__}: {error}".partition("\n")[0], _LONGEST))
    text = f"convcheck itself failed, at {_place(error)}, which says nothing about the layer: {words}"
    return Result(
        case=case.name,
        source=case.source,
        layer=str(case.layer),
        rewrite=None if case.candidate is not None else claim.name,
        input=case.inputs,
        dtype=case.dtype,
        device=case.device,
        seed=case.seed,
        verdict=Verdict.ERROR,
        expected=case.expect.verdict,
        ok=False,
        reproduce=command(claim),
        reasons=(Finding(Kind.FAULT, text),),
    )


def _place(error: Exception) -> str:
    """Return the innermost line of convcheck's own on the way to an exception, such as `convcheck/results.py:12`."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            return f"{path.relative_to(_PACKAGE.parent).as_posix()}:{frame.lineno}"
    return "an unknown place"
