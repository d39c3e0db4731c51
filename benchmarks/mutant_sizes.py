"""What is proved of mutants for all sizes, and whether that can be."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from benchmarks.all_sizes_claims import both_of, proof_of
from benchmarks.fault_kinds import FaultKind
from benchmarks.mutant_status import MutantResult, Status, mutant
from benchmarks.tables import Written, print_table
from convcheck.report.sizes_words import in_few_words
from convcheck.results import SizesProof, SizesStatus

CRASHED = "crashed: "
STATUSES = (SizesStatus.PROVED, SizesStatus.REFUTED, SizesStatus.UNKNOWN)
HEAD = (
    "fault",
    "mutants",
    *map(str, STATUSES),
    "proved, and equivalent",
    "equivalent here, refuted elsewhere",
    "wrong",
)


def with_proof(result: MutantResult, seconds: float) -> MutantResult:
    """Return the result of a mutant with what is proved of it for all sizes."""
    claim = dataclasses.replace(result.claim, rewrite=result.fault.rewrite)
    try:
        sizes = proof_of(claim, both_of(claim), seconds)
    except Exception as error:  # that nothing falls over a fault is part of what is tested
        sizes = SizesProof(SizesStatus.UNKNOWN, obstacle=f"{CRASHED}{type(error).__name__}: {error}")
    return dataclasses.replace(result, sizes=sizes)


def is_wrong(result: MutantResult) -> bool:
    """Tell whether a mutant is proved that is not the same function, or the proof fell over it."""
    if result.sizes.status is SizesStatus.PROVED:
        return result.status is not Status.EQUIVALENT
    return (result.sizes.obstacle or "").startswith(CRASHED)


def print_sizes(results: Sequence[MutantResult], written: str) -> None:
    """Print how many mutants of every kind are proved, refuted and neither, what was in the way, and what is wrong."""
    asked = [one for one in results if one.sizes.status is not SizesStatus.NOT_ASKED]
    rows = [_row(kind, some) for kind in FaultKind if (some := [one for one in asked if one.fault.kind == kind])]
    print_table(Written(HEAD, rows, _row("total", asked)), written)
    obstacles = Counter(one.sizes.obstacle for one in asked if one.sizes.status is SizesStatus.UNKNOWN)
    bullet = "- " if written == "markdown" else ""
    print()
    for obstacle, count in obstacles.most_common():
        print(f"{bullet}unknown, {obstacle}: {count:,}")
    for one in asked:
        if is_wrong(one):
            print(f"{bullet}WRONG ({one.status}, {in_few_words(one.sizes)}): {mutant(one.claim, one.fault)}")


def _row(title: str, results: Sequence[MutantResult]) -> tuple[str, ...]:
    pairs = Counter((one.sizes.status, one.status) for one in results)
    statuses = Counter(one.sizes.status for one in results)
    numbers = [len(results), *(statuses[status] for status in STATUSES)]
    numbers += [pairs[SizesStatus.PROVED, Status.EQUIVALENT], pairs[SizesStatus.REFUTED, Status.EQUIVALENT]]
    return title, *(f"{number:,}" for number in (*numbers, sum(map(is_wrong, results))))
