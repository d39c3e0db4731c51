"""Random programs against others that are equal to them by laws of algebra, or have a mistake, and an exact oracle.

    python benchmarks/fuzz_own_code.py
    python benchmarks/fuzz_own_code.py --pairs 500 --seed 7 --format markdown
    python benchmarks/fuzz_own_code.py --seed 0 --only 1234
    python benchmarks/fuzz_own_code.py --oracle

A program composes 3 to 12 operators on tensors, and is written as a torch module. Its candidate is made by one to six
laws (a convolution as a matrix product, a sum cut in parts, axes moved through a product), with parameters laid out
anew as `map` says, and has one mistake in two cases of three: an order of axes, an offset, a sign, a constant, a tap.
Some mistakes change nothing. An oracle of its own, which knows neither torch nor convcheck, expands both as polynomials
in inputs and parameters with rational coefficients; every seventh program has one operator that is no polynomial
(relu, gelu, softmax, layer norm, max pool), where equal arguments prove equality, and float64 at 50 points a
difference. `convcheck.verify` is held against it.

Every pair has a number, which draws it again. Wrong verdicts are printed with both sources: `equal` or `different`
against the oracle, `error`, and exact evidence for what is no polynomial. `--oracle` holds the oracle itself against
torch, to the bit at whole numbers, and verifies nothing. Returns 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that they wait for. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import track

from benchmarks.own_programs.outcomes import VERDICTS, Outcome, against_convcheck, against_torch
from benchmarks.tables import FORMATS, Written, print_table

PAIRS = 2_000


def outcomes(numbers: Sequence[int], seed: int, jobs: int, *, oracle: bool) -> Iterator[Outcome]:
    """Draw and judge pairs in their order, in some processes, with a progress bar where someone looks."""
    judge = partial(against_torch if oracle else against_convcheck, seed)
    console = Console(stderr=True)
    bar = partial(track, total=len(numbers), console=console, transient=True, disable=not console.is_terminal)
    if jobs == 1:
        yield from bar(map(judge, numbers), "verifying")
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from bar(pool.map(judge, numbers, chunksize=4), "verifying")


def table(judged: Sequence[Outcome]) -> Written:
    """Count verdicts by what the oracle knows, and by kind of evidence."""
    kinds = sorted({(one.truth, one.evidence) for one in judged})
    rows = []
    for truth, evidence in kinds:
        verdicts = Counter(one.verdict for one in judged if (one.truth, one.evidence) == (truth, evidence))
        rows.append((f"{truth}, {evidence}", *_counts(verdicts)))
    return Written(
        ("oracle, evidence", "pairs", *VERDICTS), rows, ("total", *_counts(Counter(o.verdict for o in judged)))
    )


def _counts(verdicts: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in (verdicts.total(), *(verdicts[verdict] for verdict in VERDICTS)))


def distribution(judged: Sequence[Outcome], written: str) -> None:
    """Print how many programs have an operator, how often a law was used, and how often a mistake mattered."""
    used = Counter(name for one in judged for name in set(one.operators))
    print_table(
        Written(("operator", "programs"), [(name, f"{count:,}") for name, count in used.most_common()]), written
    )
    laws = Counter(name for one in judged for name in one.laws)
    print_table(Written(("law", "times"), [(name, f"{count:,}") for name, count in laws.most_common()]), written)
    made = Counter(one.mistake.partition(" ")[0] for one in judged if one.mistake)
    matter = Counter(one.mistake.partition(" ")[0] for one in judged if one.mistake and one.truth == "different")
    rows = [(name, f"{count:,}", f"{matter[name]:,}") for name, count in made.most_common()]
    print_table(Written(("mistake", "pairs", "different"), rows), written)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, print every wrong verdict and the table, and return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument("--only", type=int, help="only the pair of this number; it is printed")
    parser.add_argument("--oracle", action="store_true", help="hold the oracle against torch, and verify nothing")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (%(default)s)")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    numbers = range(options.pairs) if options.only is None else [options.only]
    start = time.perf_counter()
    judged = []
    for one in outcomes(numbers, options.seed, options.jobs, oracle=options.oracle):
        judged.append(one)
        if one.wrong or options.only is not None:
            again = f"python benchmarks/fuzz_own_code.py --seed {options.seed} --only {one.number}"
            print(f"{one.wrong or 'as it should be'}: {again}", one.text, sep="\n", flush=True)
    if options.oracle:
        distribution(judged, options.format)
    print_table(table(judged), options.format)
    for reason, count in Counter(one.reason for one in judged if one.verdict == "refused").most_common(10):
        print(f"refused {count:,} times: {reason}")
    seconds = sorted(one.seconds for one in judged)
    took = f"{seconds[len(seconds) // 2]:.2f} s a pair (median), {seconds[-1]:.2f} s at most"
    print(f"{time.perf_counter() - start:.0f} s, {took}", file=sys.stderr)
    return int(any(one.wrong for one in judged))


if __name__ == "__main__":
    sys.exit(main())
