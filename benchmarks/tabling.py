"""The outcomes of many mutants as a table, with one row for every kind of fault, and what is to be said about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.comparing import COMPARISONS
from benchmarks.judging import FAILURES, Fate, Outcome, mutant
from benchmarks.kinds import KINDS
from benchmarks.writing import Written, print_table

FATES = (Fate.KILLED, Fate.EQUIVALENT, Fate.WEAK, Fate.SURVIVED)
HEAD = ("fault", "mutants", *map(str, FATES), *(f"{name} passes" for name in COMPARISONS))


def print_report(outcomes: Sequence[Outcome], written: str) -> None:
    """Print table and remarks to standard output; `written` is `table` or `markdown`."""
    rows = [row(kind, [each for each in outcomes if each.fault.kind == kind]) for kind in KINDS]
    rows = [each for each in rows if each[1] != "0"]
    print_table(Written(HEAD, rows, row("total", outcomes)), written)
    print()
    print("\n".join(remarks(outcomes, "- " if written == "markdown" else "")))


def row(title: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the cells for some outcomes. What could not be built is no mutant; what is none could not be told."""
    mutants = [each for each in outcomes if each.fate is not Fate.UNBUILT]
    counts = Counter(each.fate for each in mutants)
    passed = Counter(name for each in mutants for name in each.passed)
    numbers = [len(mutants), *(counts[fate] for fate in FATES), *(passed[name] for name in COMPARISONS)]
    return title, *(f"{number:,}" for number in numbers)


def remarks(outcomes: Sequence[Outcome], bullet: str) -> Iterator[str]:
    """Yield what was run, what found the faults, why some are none, and every mutant that was missed."""
    built = [each for each in outcomes if each.fate is not Fate.UNBUILT]
    layers = {(str(each.claim.case.layer), each.claim.case.inputs) for each in built}
    dtypes = Counter(str(each.claim.case.dtype) for each in built)
    yield (
        f"{bullet}{len(built):,} distinct mutants of {len({each.claim.name for each in built})} rewrites, on "
        f"{len(layers):,} layers: {_listed(dtypes)}; {len(outcomes) - len(built):,} more could not be built"
    )
    for fate, title in (
        (Fate.KILLED, "found by"),
        (Fate.EQUIVALENT, "equivalent, since"),
        (Fate.WEAK, "weak, and said:"),
    ):
        # How many entries a case could not tell apart is a matter of the case.
        reasons = Counter(re.sub(r"\b\d+ of \d+", "some", each.by) for each in built if each.fate is fate)
        yield from (
            f"{bullet}{title} {reason.removeprefix('weak: ')}: {count:,}" for reason, count in reasons.most_common()
        )
    for each in built:
        if each.fate in FAILURES:
            yield f"{bullet}{each.fate} ({each.by}): {mutant(each.claim, each.fault)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} in {name}" for name, count in sorted(counts.items()))
