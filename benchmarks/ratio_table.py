"""The results of many correct cases as tables: how much of the bound they need, and what torch would have said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.drawn_numbers import Kind
from benchmarks.tables import Written
from benchmarks.torch_comparisons import COMPARISONS
from benchmarks.trial_results import TrialResult
from convcheck.config.checks import DTYPES

QUANTILES = {"median": 0.5, "90 %": 0.9, "99 %": 0.99, "99.9 %": 0.999, "max": 1.0}
SHOWN = ("median", "99 %", "max")
"""Those that the small tables show. All are quantiles of the ratios above 0."""
MOST = 10
"""Rewrites that are listed: those with the largest ratios."""

HEAD = (
    "dtype",
    "cases",
    "different",
    "overflow",
    "error",
    "ratio 0",
    *QUANTILES,
    *(f"{name} rejects" for name in COMPARISONS),
)


def by_dtype(results: Sequence[TrialResult]) -> Written:
    """Return the main table, a row for every dtype."""
    rows = [row(dtype, [each for each in results if each.trial.case.dtype == dtype]) for dtype in DTYPES]
    return Written(HEAD, [each for each in rows if each[1] != "0"], row("total", results))


def row(title: str, results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return the cells for some results."""
    compared = [each for each in results if each.compared]
    ratios = ratios_of(compared)
    above = [ratio for ratio in ratios if ratio > 0]
    different = sum(each.false_alarm for each in results)
    overflow = sum(each.overflow for each in results)
    return (
        title,
        f"{len(results):,}",
        f"{different:,}",
        f"{overflow:,}",
        f"{sum(each.failure for each in results) - different:,}",
        f"{1 - len(above) / len(ratios):.0%}" if ratios else "",
        *(number(quantile(above, share)) if above else "" for share in QUANTILES.values()),
        *(f"{sum(name not in each.passed for each in compared):,}" for name in COMPARISONS),
    )


def ratios_of(results: Iterable[TrialResult]) -> list[float]:
    """Return the ratios in order. One that is no number, since NaN or infinity came out, is infinite."""
    return sorted(math.inf if each.ratio is None else each.ratio for each in results if each.compared)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest number that such a share of them does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def number(ratio: float) -> str:
    """Write a ratio with three significant digits."""
    return f"{ratio:.3g}"


def details(results: Sequence[TrialResult]) -> Iterator[Written]:
    """Yield small tables of where the ratios are large."""
    yield grouped("products in a sum", results, decade)
    yield grouped("scale of the first input", results, lambda each: tenths(round(each.trial.numbers.powers[0])))
    yield grouped("threads", results, lambda each: (each.trial.threads, str(each.trial.threads)))
    yield grouped("numbers", results, lambda each: (list(Kind).index(each.trial.numbers.kind), each.trial.numbers.kind))
    rewrites = {name: ratios_of(each for each in results if each.trial.rewrite == name) for name in names(results)}
    largest = sorted(rewrites, key=lambda name: -max(rewrites[name], default=0.0))[:MOST]
    kept = [each for each in results if each.trial.rewrite in largest]
    yield grouped("rewrite", kept, lambda each: (largest.index(each.trial.rewrite), each.trial.rewrite))


def names(results: Sequence[TrialResult]) -> list[str]:
    """Return the rewrites that were run."""
    return sorted({each.trial.rewrite for each in results})


def grouped(title: str, results: Sequence[TrialResult], key: Callable[[TrialResult], tuple[int, str]]) -> Written:
    """Return a table with a row for every group; `key` gives a group's place and its name."""
    groups: dict[tuple[int, str], list[TrialResult]] = {}
    for each in results:
        groups.setdefault(key(each), []).append(each)
    rows = []
    for (_, name), members in sorted(groups.items()):
        above = [ratio for ratio in ratios_of(members) if ratio > 0]
        cells = (number(quantile(above, QUANTILES[share])) if above else "" for share in SHOWN)
        rows.append((name, f"{len(members):,}", f"{len(above):,}", *cells))
    return Written((title, "cases", "ratio > 0", *SHOWN), rows)


def decade(outcome: TrialResult) -> tuple[int, str]:
    """Return the decade of the number of products in a sum."""
    terms = outcome.trial.terms()
    if terms == 0:
        return -1, "0 (entries are moved)"
    place = max(0, math.floor(math.log10(terms)))
    return place, f"{10**place:,} to {10 ** (place + 1):,}"


def kind(outcome: TrialResult) -> tuple[int, str]:
    """Return the place of a kind of numbers, and its name."""
    found = outcome.trial.numbers.kind
    return list(Kind).index(found), found.value


def tenths(power: int) -> tuple[int, str]:
    """Return a power of ten, and how it is written."""
    return power, f"1e{power:+d}"
