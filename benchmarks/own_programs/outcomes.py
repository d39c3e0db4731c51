"""What came of one pair: the verdict of convcheck, or what torch computes, held against the oracle."""

from __future__ import annotations

import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

import convcheck
from benchmarks.own_programs.against_torch import departures, operators
from benchmarks.own_programs.oracle import Truth
from benchmarks.own_programs.pairs import WrittenPair, drawn
from benchmarks.own_programs.writing import module
from convcheck.errors import ConvcheckError
from convcheck.results import Kind

VERDICTS = ("equal", "different", "refused", "inconclusive", "error")
UNDECIDED = ("refused", "inconclusive")
"""What decides nothing: `inconclusive` is an `error` because no number tells, as where all outputs are zero."""


@dataclass(frozen=True)
class Outcome:
    """A verdict with its evidence and first reason, and what the oracle knows; `wrong` says why it cannot be so."""

    number: int
    truth: Truth
    verdict: str
    evidence: str
    reason: str
    wrong: str
    text: str
    seconds: float
    operators: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    mistake: str | None = None


def against_convcheck(seed: int, number: int) -> Outcome:
    """Verify a pair; an exception that is not for users is an error."""
    torch.set_num_threads(1)
    written = drawn(number, seed)
    torch.manual_seed(number)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        verdict, evidence, reason = _verified(written, Path(folder))
    seconds = time.perf_counter() - start
    wrong = ""
    if verdict == "error":
        wrong = "error"
    elif verdict not in UNDECIDED and verdict != written.truth:
        wrong = f"{verdict} by {evidence}, and the oracle says {written.truth}"
    return _outcome(written, verdict, evidence, reason, wrong, seconds)


def _verified(written: WrittenPair, folder: Path) -> tuple[str, str, str]:
    reference = module(written.reference, folder / "reference.py")
    candidate = module(written.candidate, folder / "candidate.py")
    try:
        result = convcheck.verify(
            reference, list(written.inputs), candidate=candidate, map=dict(written.map), strict=False
        )
    except ConvcheckError as error:
        return "refused", "none", str(error).splitlines()[0]
    except Exception:
        return "error", "none", traceback.format_exc()
    inconclusive = {reason.kind for reason in result.reasons} == {Kind.INCONCLUSIVE}
    return "inconclusive" if inconclusive else str(result.verdict), result.evidence or "none", str(result.reason)


def against_torch(seed: int, number: int) -> Outcome:
    """Hold what the oracle says of both sides against torch. What laws alone made must be equal."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    written = drawn(number, seed)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        departing = departures(written, Path(folder))
    wrong = f"torch computes something else in the {' and the '.join(departing)}" if departing else ""
    if written.mistake is None and written.truth is not Truth.EQUAL:
        wrong = "a law does not hold"
    return _outcome(written, str(written.truth), "polynomial" if written.is_polynomial else "other", "", wrong, seconds)


def _outcome(written: WrittenPair, verdict: str, evidence: str, reason: str, wrong: str, seconds: float) -> Outcome:
    made = f"laws: {', '.join(written.laws)}; mistake: {written.mistake}; map: {dict(written.map)}"
    lines = (made, f"inputs: {written.inputs}", f"{verdict}: {reason}")
    text = "\n".join((*lines, "# reference", written.reference, "# candidate", written.candidate))
    return Outcome(
        written.number,
        written.truth,
        verdict,
        evidence,
        reason,
        wrong,
        text,
        seconds,
        tuple(operators(written.pair.reference)),
        written.laws,
        written.mistake,
    )
