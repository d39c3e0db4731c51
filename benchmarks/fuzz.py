"""Mutated configs, layers, shapes, patterns and command lines, none of which may be more than refused.

    python benchmarks/fuzz.py
    python benchmarks/fuzz.py --cases 2000 --seed 7 --format markdown
    python benchmarks/fuzz.py --seed 0 --kind "layers, text changed" --only 1234

What is drawn is accepted, or refused by an error that is written for users; anything else is a fault: another
exception, no end, an exit code that is not documented, a message of several lines, or one that moves the cursor. Most
inputs are handed over within this process; command lines go through the program, and a few hundred of them through
processes of their own. Every input has a number, which draws it again. Returns 1 if there is a fault.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import track

from benchmarks.fuzz_outcome import PROCESSES, STATUSES, Outcome, outcome_of
from benchmarks.hostile_inputs import KINDS
from benchmarks.tables import FORMATS, Written, print_table

CASES = 24_000
EACH_PROCESS = 80
"""One process for so many inputs: they take a second each."""


def numbered(cases: int, kinds: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield kinds and numbers of inputs, as many as are asked for, and processes besides."""
    weights = {kind: KINDS[kind][0] for kind in kinds if kind in KINDS}
    for kind, weight in weights.items():
        yield from ((kind, number) for number in range(-(-cases * weight // sum(weights.values()))))
    if PROCESSES in kinds:
        yield from ((PROCESSES, number) for number in range(-(-cases // EACH_PROCESS)))


def drawn(kind: str, number: int, seed: int) -> object:
    """Return the input of this number, always the same."""
    return KINDS["command lines" if kind == PROCESSES else kind][1](Random(f"{seed} {kind} {number}"))


def throw(inputs: Sequence[tuple[str, int]], seed: int) -> Iterator[tuple[int, object, Outcome]]:
    """Yield the number, the input, and what came of it."""
    for kind, number in inputs:
        value = drawn(kind, number, seed)
        yield number, value, outcome_of(kind, value)


def row(title: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the cells for some outcomes."""
    statuses = [each.status for each in outcomes]
    return title, *(f"{number:,}" for number in (len(statuses), *(statuses.count(status) for status in STATUSES)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Throw, print the table and every fault, and return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*KINDS, PROCESSES]
    parser.add_argument("--cases", type=int, default=CASES, help="inputs within this process (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument("--kind", action="append", choices=known, help="only this one; may be repeated")
    parser.add_argument("--only", type=int, help="only the input of this number, of one kind; it is printed")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    kinds = options.kind or known
    if options.only is not None and len(kinds) != 1:
        parser.error("--only goes with one --kind")
    inputs = [(kinds[0], options.only)] if options.only is not None else list(numbered(options.cases, kinds))
    start = time.perf_counter()
    console = Console(stderr=True)
    bar = track(inputs, "throwing", console=console, transient=True, disable=not console.is_terminal)
    found: dict[str, list[Outcome]] = {kind: [] for kind in kinds}
    faults = []
    for (kind, _), (number, value, outcome) in zip(bar, throw(inputs, options.seed), strict=True):
        found[kind].append(outcome)
        if options.only is not None:
            print(f"{value!r}\n{outcome.status}: {outcome.message}")
        if outcome.status == "fault":
            again = f'python benchmarks/fuzz.py --seed {options.seed} --kind "{kind}" --only {number}'
            faults.append(f"{outcome.message}\n    {again}")
    rows = [row(kind, outcomes) for kind, outcomes in found.items()]
    head = ("input", "inputs", "accepted", "refused", "faults")
    print_table(Written(head, rows, row("total", [each for some in found.values() for each in some])), options.format)
    print("\n".join(faults[:50]))
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
