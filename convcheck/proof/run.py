"""Verifies many claims and makes one report."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

import torch

from convcheck.catalogue.claims import Claim
from convcheck.proof.fault import result_of_fault
from convcheck.proof.shared import Shared
from convcheck.proof.verification import verify
from convcheck.results import Report, Result, Tool
from convcheck.version import __version__


def run(
    claims: Sequence[Claim],
    *,
    max_failures: int | None = None,
    begin: Callable[[Claim], None] = lambda _claim: None,
    finish: Callable[[Result], None] = lambda _result: None,
    fail: Callable[[Exception], None] = lambda _error: None,
    prepare: Callable[[Claim], Claim] = lambda claim: claim,
) -> Report:
    """Verify the claims in order; `begin` gets each before it begins, `prepare` may
    change it then, and `finish` gets its result.

    The run ends after `max_failures` results that are not as expected. If the user interrupts, the report holds the
    finished results. A claim on which convcheck itself fails is an `error`; `fail` gets the exception.
    """
    results: list[Result] = []
    shared = Shared()
    failures = 0

    def report(*, interrupted: bool) -> Report:
        devices = ", ".join(dict.fromkeys(claim.case.device for claim in claims))
        tool = Tool(__version__, torch.__version__, platform.python_version(), devices, torch.get_num_threads())
        return Report(tool, tuple(results), interrupted, len(claims) - len(results))

    try:
        for claim in claims:
            try:
                begin(claim)
                claim = prepare(claim)
                result = verify(claim, shared)
            except Exception as error:
                fail(error)
                result = result_of_fault(claim, error)
            results.append(result)
            finish(result)
            failures += not result.ok
            if failures == max_failures:
                break
    except KeyboardInterrupt:
        return report(interrupted=True)
    return report(interrupted=False)
