"""Correct cases at random, none of which may be called different; and what torch's tolerances would have said.

    python benchmarks/false_alarms.py
    python benchmarks/false_alarms.py --cases 500 --rewrite fft --rewrite winograd --dtype float16 --seed 3

Inputs and every parameter are scaled by powers of ten of their own, from 1e-6 to 1e6; a third of the cases adds up
1 to 100,000 products, as many of one decade as of another; a fifth is on numbers that make rounding errors add up:
without signs, constant, or with one term that outweighs the others. The same seed draws the same cases. `ratio` is the
largest error / bound of all entries of an output: above 1 is a false alarm, and far below 1 throughout were an idle
bound; quantiles are those of the ratios above 0. Numbers that a dtype cannot hold are counted apart, as overflow.
Returns 1 if there is a false alarm, or any other error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that they wait for. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import track

from benchmarks.correct_cases import trials
from benchmarks.ratio_table import by_dtype, details
from benchmarks.tables import FORMATS, print_table
from benchmarks.trial_results import TrialResult, run_all
from convcheck.catalogue.catalogue import catalogue
from convcheck.config.checks import DTYPES

CASES = 12_000


def outcomes_of(names: Sequence[str], cases: int, seed: int, dtypes: Sequence[str]) -> list[TrialResult]:
    """Draw and run the cases, with a progress bar where someone looks."""
    console = Console(stderr=True)
    drawn = list(trials(names, cases, seed, tuple(dtypes)))
    shown = track(
        run_all(drawn),
        "verifying",
        total=len(drawn),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return list(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, then every false alarm; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES, help="cases over all rewrites (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of layers, dtypes, scales and numbers (%(default)s)")
    parser.add_argument("--rewrite", action="append", help="only this one; may be repeated (default: all)")
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="only this one; may be repeated")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    names = options.rewrite or list(catalogue())
    if unknown := set(names) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    if options.cases < 1:
        parser.error(f"--cases is {options.cases}; at least 1 is needed")
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    start = time.perf_counter()
    results = outcomes_of(names, options.cases, options.seed, options.dtype or DTYPES)
    for table in (by_dtype(results), *details(results)):
        print_table(table, options.format)
        print()
    failures = [each for each in results if each.failure]
    for each in failures:
        ratio = "" if each.ratio is None else f", ratio {each.ratio:.3g}"
        print(f"{each.verdict}{ratio}: {each.trial}\n    {each.reason}")
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
