"""Makes a result of an exception that nobody foresaw, so that one claim takes nothing from the others."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path

from convcheck.catalogue.claims import Claim
from convcheck.errors import cut, escape_line
from convcheck.proof.verification import begin_result
from convcheck.results import Finding, Kind, Result

_PACKAGE = Path(__file__).parents[1]
_LONGEST = 200
"""Characters of what an exception says."""


def result_of_fault(claim: Claim, error: Exception) -> Result:
    """Return the result of a claim on which convcheck failed: an `error`, with the place and what was raised."""
    words = escape_line(cut(f"{type(error).__name__}: {error}".partition("\n")[0], _LONGEST))
    text = f"convcheck itself failed, at {_place(error)}, which says nothing about the layer: {words}"
    return replace(begin_result(claim), reasons=(Finding(Kind.FAULT, text),))


def _place(error: Exception) -> str:
    """Return the innermost line of convcheck's own on the way to an exception, such as `convcheck/results.py:12`."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            return f"{path.relative_to(_PACKAGE.parent).as_posix()}:{frame.lineno}"
    return "an unknown place"
