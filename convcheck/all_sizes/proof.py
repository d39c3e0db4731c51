"""Proves a claim for all sizes, or finds the smallest at which it fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from convcheck.all_sizes import budget
from convcheck.all_sizes.attempt import Attempt, Names
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import INPUT, symbol_name
from convcheck.results import SizesProof, SizesStatus


def prove(both: Both, names: Names, seconds: float, about: Mapping[str, str] | None = None) -> SizesProof:
    """Return what is proved within so many seconds; `about` has what the certificate says of the claim, by headings.

    Raises:
        ProofContradicted: torch gives the lie to a proof.
    """

    def attempt(channels: bool, why: str | None = None) -> SizesProof:
        return _with_fixed(Attempt(both, names, channels, about or {}, why))

    with budget.limited(seconds):
        return _first_of(attempt, both)


def _first_of(attempt: Callable[..., SizesProof], both: Both) -> SizesProof:
    """Return what comes of an attempt with channels that vary, or else with those of weights as they are."""
    first = attempt(True)
    # Weights of the user's own code may have axes that never vary, such as those of a kernel.
    of_code = both.remake is None and first.status is SizesStatus.REFUTED
    if (of_code or first.status is SizesStatus.UNKNOWN) and not budget.is_over():
        why = first.obstacle if first.counterexample is None else first.counterexample.reason
        second = attempt(False, f"with channels that vary, {why}")
        # That code differs with other weights than its own says little where it is not found to differ with these.
        if of_code or second.status is not SizesStatus.UNKNOWN:
            return second
    return first


def _with_fixed(attempt: Attempt) -> SizesProof:
    """Return what comes of an attempt, or of further ones with lengths as they are that code turns out to fix."""
    while True:
        proof = _attempt(attempt)
        fixes = attempt.fixes if proof.status is SizesStatus.UNKNOWN and attempt.explored else frozenset()
        if fixes <= attempt.still:
            return proof
        attempt = replace(attempt, still=attempt.still | fixes, obstacle=proof.obstacle)


def _attempt(attempt: Attempt) -> SizesProof:
    budget.begin_step()
    try:
        with budget.bounded():
            return attempt.proof()
    except budget.TimeIsUp:
        return SizesProof(SizesStatus.UNKNOWN, obstacle="the time limit")
    except CannotProve as error:
        return SizesProof(SizesStatus.UNKNOWN, obstacle=_readable(error.why, attempt.both, attempt.names))


def _readable(why: str, both: Both, names: Names) -> str:
    """Return a text with lengths by the names of axes instead of their symbols."""
    lengths = {
        symbol_name(name, axis): f"{name}.{axis}"
        for name, shape in both.shapes().items()
        for axis, _ in enumerate(shape)
    }
    for number, axes in enumerate(names):
        lengths |= {symbol_name(f"{INPUT}{number}", axis): name for axis, name in enumerate(axes)}
    return re.sub(r"\w+", lambda word: lengths.get(word[0], word[0]), why)
