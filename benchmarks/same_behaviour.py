"""Whether two checkouts of convcheck behave alike, as far as the command line shows it.

    python benchmarks/same_behaviour.py record CHECKOUT before.json
    python benchmarks/same_behaviour.py compare before.json CHECKOUT
    python benchmarks/same_behaviour.py compare before.json CHECKOUT --section shapes --all

`record` draws some thousand questions, asks `python -m convcheck` of one checkout, and writes questions and answers to
a file; `compare` asks another checkout the same. Both run in this interpreter, with one thread a process: on one
machine, all digits are the same from one run to the next. Exit codes, texts and files are compared as they are, JSON
field by field; how long something took is left out, and so is where a folder lies. Fields that are new are told, and
are no difference. Returns 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import track

from benchmarks.behaviour.asking import Answer, Question, ask_all, check, load, save
from benchmarks.behaviour.claims import claims
from benchmarks.behaviour.comparing import Difference, Found, compare
from benchmarks.behaviour.faults import fault_questions, seeds_of
from benchmarks.behaviour.others import catalogue_questions, format_questions, help_questions
from benchmarks.behaviour.shapes import shape_questions
from benchmarks.tables import Written, print_table

CASES, SHAPES, CATALOGUE, FAULTS = 300, 1000, 60, 200
SEEDS = "configs/seeds.yaml"
SHOWN = 20


def questions(checkout: Path, seed: int) -> list[Question]:
    """Return all questions, of which the checkout is asked whether they can be put."""
    seeds = seeds_of(checkout)
    proofs, faulty = claims(checkout, Random(f"{seed} claims"), CASES)
    return [
        Question(SEEDS, ["verify", "seeds.yaml", "-f", "json"], {"seeds.yaml": seeds}),
        *proofs,
        *format_questions(),
        *shape_questions(Random(f"{seed} shapes"), SHAPES),
        *catalogue_questions(checkout, Random(f"{seed} catalogue"), CATALOGUE),
        *help_questions(),
        *fault_questions(Random(f"{seed} faults"), seeds, faulty, FAULTS),
    ]


def answers(checkout: Path, asked: Sequence[Question], jobs: int) -> Iterator[Answer]:
    """Yield answers, and show on a terminal how far it is."""
    console = Console(stderr=True)
    given = ask_all(checkout, asked, jobs)
    yield from track(given, "asking", len(asked), console=console, transient=True, disable=not console.is_terminal)


def report(found: dict[str, Found], *, every: bool) -> int:
    """Print differences by their kind, new fields, and the table; return 1 if anything differs."""
    kinds: dict[str, list[Difference]] = {}
    for each in (difference for one in found.values() for difference in one.differences):
        kinds.setdefault(f"{each.section}: {each.kind}", []).append(each)
    # One of every kind before a second of any.
    ranked = sorted((number, kind) for kind, alike in kinds.items() for number in range(len(alike)))
    shown = Counter(kind for _, kind in (ranked if every else ranked[:SHOWN]))
    for kind in sorted(kinds):
        print(f"{kind} ({len(kinds[kind]):,} times)")
        for each in kinds[kind][: shown[kind]]:
            print(f"    {each.place}\n        before: {each.before}\n        after:  {each.after}")
    left = len(ranked) - shown.total()
    print(*([f"and {left:,} differences more; --all shows them\n"] if left else []), end="")
    new = sorted({name for each in found.values() for name in each.new_fields})
    print(*[f"new field, which is no difference: {name}\n" for name in new], sep="", end="")
    head = ("section", "compared", "same", "different")
    rows = [(name, *_counts([each])) for name, each in found.items()]
    print_table(Written(head, rows, ("total", *_counts(list(found.values())))), "table")
    return int(bool(kinds))


def _counts(found: Sequence[Found]) -> tuple[str, ...]:
    compared, different = (sum(getattr(each, name) for each in found) for name in ("compared", "different"))
    return tuple(f"{number:,}" for number in (compared, compared - different, different))


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or compare and return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes at once (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="ask one checkout, and keep what it answers")
    recording.add_argument("checkout", type=Path)
    recording.add_argument("file", type=Path)
    recording.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    comparing = commands.add_parser("compare", help="ask another checkout the same")
    comparing.add_argument("file", type=Path)
    comparing.add_argument("checkout", type=Path)
    comparing.add_argument("--section", action="append", help="only this one; may be repeated")
    comparing.add_argument("--all", action="store_true", help=f"print all differences, and not only {SHOWN}")
    options = parser.parse_args(arguments)
    checkout, start = check(options.checkout), time.perf_counter()
    if options.command == "record":
        asked = questions(checkout, options.seed)
        save(options.file, list(zip(asked, answers(checkout, asked, options.jobs), strict=True)))
        status = 0
        print(f"{len(asked):,} questions and answers are in {options.file}")
    else:
        recorded = load(options.file)
        sections = dict.fromkeys(question.section for question, _ in recorded)
        for unknown in set(options.section or ()) - sections.keys():
            parser.error(f"there is no section {unknown!r}; there are {', '.join(map(repr, sections))}")
        recorded = [each for each in recorded if not options.section or each[0].section in options.section]
        found: dict[str, Found] = {}
        new = answers(checkout, [question for question, _ in recorded], options.jobs)
        for (question, before), after in zip(recorded, new, strict=True):
            compare(question, before, after, found.setdefault(question.section, Found()))
        status = report(found, every=options.all)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
