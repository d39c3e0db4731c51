"""From the chosen claims to their report: hints before the run, progress, and interrupts."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.cli.progress import show_progress
from convcheck.config.collection import without_collection

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.config.case import Case
    from convcheck.results import Report, Result, SizesStatus, Verdict

LONG = 30.0
"""Seconds from which on a user is told to wait."""


def hint_choices(cases: Iterable[Case], *, default_input: bool) -> None:
    """Print which input was chosen where none was given, and which rewrites were left out."""
    from convcheck.catalogue.claims import too_costly
    from convcheck.layers import write_shapes

    for case in cases:
        if case.source is None and default_input:
            console.hint(f"no -i given for {case.name}, so this is taken: {write_shapes(case.inputs)}")
        left_out: Mapping[str, int] = {}
        # What fails here fails again where claims are made, and is reported with them.
        with suppress(Exception):
            left_out = too_costly(case) if case.rewrites is None and case.candidate is None else {}
        if left_out:
            times = " to ".join(map(str, sorted({min(left_out.values()), max(left_out.values())})))
            console.hint(
                f"left out for {case.name}, since they take about {times} times as long: {', '.join(left_out)}; "
                "try them with -r"
            )


def run_claims(
    claims: Sequence[Claim],
    *,
    max_failures: int | None,
    quiet: bool,
    finish: Callable[[Result], None],
    jobs: int = 1,
    keep: bool = True,
    complete: Callable[[Result], Result] | None = None,
) -> Report:
    """Return the report of the claims, verified in so many processes; `finish` gets every result, in order.

    What `complete` returns of a result takes its place, before it is printed.

    The report has of the results no more than their verdicts where they are not kept. Print what went wrong where
    convcheck itself failed.
    """
    start = time.perf_counter()
    faults: list[Exception] = []
    with show_progress(len(claims), shown=not quiet) as progress:
        try:
            # This imports torch, which takes its time.
            with without_collection():
                from convcheck.proof.run import run
                from convcheck.solving.search import with_map

                if jobs > 1:
                    from convcheck.cli.workers import run_in_processes
            gc.freeze()
        except KeyboardInterrupt:
            return replace(_interrupted_report(claims), seconds=time.perf_counter() - start)

        def announce(claim: Claim) -> None:
            if not quiet and (duration := long_duration(claim)):
                with progress.hidden():
                    console.hint(f"{claim.id} takes about {duration}")
            progress.begin(claim.id)

        def print_result(result: Result) -> None:
            with progress.hidden():
                finish(result)

        how = partial(run_in_processes, jobs=jobs) if jobs > 1 else run
        report = how(
            claims,
            max_failures=max_failures,
            begin=announce,
            finish=print_result,
            fail=faults.append,
            prepare=with_map,
            complete=complete or (lambda result: result),
            keep=(lambda result: result) if keep else only_verdict,
        )
    console.report_faults(faults)
    return replace(report, seconds=time.perf_counter() - start)


def only_verdict(result: Result) -> Result:
    """Return of a result what counts and exit codes are made of; of many results it is the same."""
    return _verdict_alone(result.verdict, result.ok, result.is_fault, result.sizes.status)


@cache
def _verdict_alone(verdict: Verdict, ok: bool, fault: bool, sizes: SizesStatus) -> Result:
    from convcheck.results import Finding, Kind, Result, SizesProof

    reasons, proof = (Finding(Kind.FAULT, ""),) if fault else (), SizesProof(sizes)
    return Result("", None, "", None, (), "", "", 0, verdict, verdict, ok, "", reasons=reasons, sizes=proof)


def long_duration(claim: Claim) -> str | None:
    """Return about how long a claim takes, if that is long. One that needs too much memory ends at once."""
    from convcheck.proof import duration, memory

    own = claim.case.candidate
    if claim.case.has_code or (own is not None and own.lacks_map(claim.case.layer)):
        # How long such code takes is known when it has run.
        return None
    if duration.work(claim) < LONG * duration.SLOWEST or memory.needed(claim) > memory.available():
        return None
    expected = duration.seconds(claim)
    return duration.write_duration(expected) if expected >= LONG else None


def _interrupted_report(claims: Sequence[Claim]) -> Report:
    """Return the report of a run that was interrupted before it began."""
    import platform

    from convcheck.results import Report, Tool
    from convcheck.version import __version__, torch_version

    devices = ", ".join(dict.fromkeys(claim.case.device for claim in claims))
    tool = Tool(__version__, torch_version(), platform.python_version(), devices, threads=0)
    return Report(tool, (), interrupted=True, untried=len(claims))
