"""Verifies many claims and makes one report."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch

from convcheck.catalogue.claims import Claim
from convcheck.proof.fault import result_of_fault
from convcheck.proof.shared import Shared
from convcheck.proof.verification import verify
from convcheck.results import Report, Result, Tool
from convcheck.version import __version__


class Outcome(NamedTuple):
    """The result of a claim, and what convcheck itself failed with, if it did."""

    result: Result
    fault: Exception | None = None


def run(
    claims: Sequence[Claim],
    *,
    max_failures: int | None = None,
    begin: Callable[[Claim], None] = lambda _claim: None,
    finish: Callable[[Result], None] = lambda _result: None,
    fail: Callable[[Exception], None] = lambda _error: None,
    prepare: Callable[[Claim], Claim] = lambda claim: claim,
    keep: Callable[[Result], Result] = lambda result: result,
    complete: Callable[[Result], Result] = lambda result: result,
) -> Report:
    """Verify the claims in order; `begin` gets each before it begins, `prepare` may change it then; see `collect`."""

    def announced(claim: Claim) -> Claim:
        begin(claim)
        return prepare(claim)

    shared = Shared()
    outcomes = (outcome(claim, announced, shared) for claim in claims)
    return collect(claims, outcomes, max_failures=max_failures, finish=finish, fail=fail, keep=keep, complete=complete)


def outcome(claim: Claim, prepare: Callable[[Claim], Claim], shared: Shared) -> Outcome:
    """Verify a claim as `prepare` returns it, with what it has in common with those before it.

    One on which convcheck itself fails is an `error`, with the exception.
    """
    try:
        claim = prepare(claim)
        return Outcome(verify(claim, shared))
    except Exception as error:
        return Outcome(result_of_fault(claim, error), error)


def collect(
    claims: Sequence[Claim],
    outcomes: Iterable[Outcome],
    *,
    max_failures: int | None,
    finish: Callable[[Result], None],
    fail: Callable[[Exception], None],
    keep: Callable[[Result], Result],
    complete: Callable[[Result], Result],
    late: Callable[[], Iterable[Outcome]] = tuple,
) -> Report:
    """Return the report of the outcomes of claims, in order; `finish` gets every result, `fail` what convcheck failed
    with, `complete` returns what takes a result's place, and `keep` what the report has of it.

    It ends after `max_failures` results that are not as expected. If the user interrupts, the report holds the finished
    results; `late` returns those that `outcomes` had not come to.
    """
    results: list[Result] = []

    def take(done: Outcome) -> None:
        if done.fault is not None:
            fail(done.fault)
        result = complete(done.result)
        results.append(keep(result))
        finish(result)

    def report(*, interrupted: bool) -> Report:
        devices = ", ".join(dict.fromkeys(claim.case.device for claim in claims))
        tool = Tool(__version__, torch.__version__, platform.python_version(), devices, torch.get_num_threads())
        return Report(tool, tuple(results), interrupted, len(claims) - len(results))

    failures = 0
    try:
        for done in outcomes:
            take(done)
            failures += not done.result.ok
            if failures == max_failures:
                break
    except KeyboardInterrupt:
        for done in late():
            take(done)
        return report(interrupted=True)
    return report(interrupted=False)
