"""The results of many mutants as a table, with one row for every kind of fault, and what is to be said about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.fault_kinds import FaultKind
from benchmarks.given_weights import GivenWeights
from benchmarks.mutant_status import FAILURES, MutantResult, Status, mutant
from benchmarks.tables import Written, print_table
from benchmarks.torch_comparisons import COMPARISONS

STATUSES = (Status.KILLED, Status.EQUIVALENT, Status.WEAK, Status.SURVIVED)
HEAD = ("fault", "mutants", *map(str, STATUSES), *(f"{name} passes" for name in COMPARISONS))


def print_report(results: Sequence[MutantResult], written: str) -> None:
    """Print table and remarks to standard output; `written` is `table` or `markdown`."""
    rows = [row(kind, [each for each in results if each.fault.kind == kind]) for kind in FaultKind]
    rows = [each for each in rows if each[1] != "0"]
    print_table(Written(HEAD, rows, row("total", results)), written)
    print()
    print("\n".join(remarks(results, "- " if written == "markdown" else "")))


def row(title: str, results: Sequence[MutantResult]) -> tuple[str, ...]:
    """Return the cells for some results. What could not be built is no mutant; what is none could not be told."""
    mutants = [each for each in results if each.status is not Status.UNBUILT]
    counts = Counter(each.status for each in mutants)
    passed = Counter(name for each in mutants for name in each.passed)
    numbers = [len(mutants), *(counts[status] for status in STATUSES), *(passed[name] for name in COMPARISONS)]
    return title, *(f"{number:,}" for number in numbers)


def remarks(results: Sequence[MutantResult], bullet: str) -> Iterator[str]:
    """Yield what was run, what found the faults, why some are none, and every mutant that was missed."""
    built = [each for each in results if each.status is not Status.UNBUILT]
    layers = {(str(each.claim.case.layer), each.claim.case.inputs) for each in built}
    dtypes = Counter(str(each.claim.case.dtype) for each in built)
    yield (
        f"{bullet}{len(built):,} distinct mutants of {len({each.claim.name for each in built})} rewrites, on "
        f"{len(layers):,} layers: {_listed(dtypes)}; {len(results) - len(built):,} more could not be built"
    )
    sources = [each.claim.case.weights for each in built]
    kinds = Counter(source.kind for source in sources if isinstance(source, GivenWeights))
    if kinds:
        listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        yield f"{bullet}some or all of the weights are given: {listed}"
    for status, title in (
        (Status.KILLED, "found by"),
        (Status.EQUIVALENT, "equivalent, since"),
        (Status.WEAK, "weak, and said:"),
    ):
        # How many entries a case could not tell apart is a matter of the case.
        reasons = Counter(re.sub(r"\b\d+ of \d+", "some", each.by) for each in built if each.status is status)
        yield from (
            f"{bullet}{title} {reason.removeprefix('weak: ')}: {count:,}" for reason, count in reasons.most_common()
        )
    for each in built:
        if each.status in FAILURES:
            yield f"{bullet}{each.status} ({each.by}): {mutant(each.claim, each.fault)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} in {name}" for name, count in sorted(counts.items()))
