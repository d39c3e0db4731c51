"""Times many claims that were verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from convcheck.catalogue.claims import Claim
from convcheck.errors import CannotRunError
from convcheck.results import Report, Result, Verdict
from convcheck.timing.compare import compare
from convcheck.timing.comparison import Benchmark, Comparison, NotTimed, Settings
from convcheck.timing.modules import standing_modules


def run(
    claims: Sequence[Claim],
    report: Report,
    settings: Settings,
    *,
    begin: Callable[[str], None] = lambda _name: None,
    fail: Callable[[Exception], None] = lambda _error: None,
    prepare: Callable[[Claim], Claim] = lambda claim: claim,
) -> Benchmark:
    """Time the claims whose results hold, in order; `begin` gets a name before anything is timed.

    `prepare` may change a claim as it did where it was verified. If the user interrupts, what was timed is there. Where
    convcheck itself fails on a claim, `fail` gets the exception.
    """
    compared: list[Comparison] = []
    not_timed: list[NotTimed] = []
    interrupted, finished = report.interrupted, 0
    try:
        for claim, result in zip(claims, () if interrupted else report.results, strict=False):
            if result.ok and result.verdict is Verdict.EQUAL:
                try:
                    compared.extend(_comparisons(prepare(claim), result, settings, begin))
                except CannotRunError as error:
                    not_timed.append(_not_timed(result, result.verdict, f"could not be timed: {error}"))
                except Exception as error:
                    fail(error)
                    not_timed.append(_not_timed(result, Verdict.ERROR, "convcheck itself failed"))
            else:
                not_timed.append(_not_timed(result, result.verdict, result.reason))
            finished += 1
    except KeyboardInterrupt:
        interrupted = True
    return Benchmark(report.tool, tuple(compared), tuple(not_timed), interrupted, len(claims) - finished)


def _comparisons(
    claim: Claim, result: Result, settings: Settings, begin: Callable[[str], None]
) -> Iterator[Comparison]:
    for threads, direction in settings.ways:
        begin(f"{claim.id} {result.dtype} {direction}, threads: {threads}")
        # Anew, so that the first call is one.
        modules = standing_modules(claim, channels_last=settings.channels_last)
        yield compare(claim, result, modules, settings, threads, direction)


def _not_timed(result: Result, verdict: Verdict, reason: str | None) -> NotTimed:
    return NotTimed(result.case, result.rewrite, result.dtype, result.device, verdict, reason, result.reproduce)
