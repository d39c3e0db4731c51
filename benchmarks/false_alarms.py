"""Correct cases at random, none of which may be called different; and what torch's tolerances would have said.

    python benchmarks/false_alarms.py
    python benchmarks/false_alarms.py --cases 500 --rewrite fft --rewrite winograd --dtype float16 --seed 3
    python benchmarks/false_alarms.py --cases 2000 --subnormal
    python benchmarks/false_alarms.py --cases 1000 --under autocast
    python benchmarks/false_alarms.py --device cuda --under tf32
    python benchmarks/false_alarms.py --strict

Inputs and every parameter are scaled by powers of ten of their own, from 1e-6 to 1e6; a third of the cases adds up
1 to 100,000 products, as many of one decade as of another; a fifth is on numbers that make rounding errors add up:
without signs, constant, or with one term that outweighs the others. The same seed draws the same cases. `ratio` is the
largest error / bound of all entries of an output: above 1 is a false alarm, and far below 1 throughout were an idle
bound; quantiles are those of the ratios above 0. Numbers that a dtype cannot hold are counted apart, as overflow.
`--subnormal` scales the numbers so that products are about the smallest that the dtype holds; `--under` sets a mode of
torch that a caller may have set, under which gradients need to be compared, too. `--strict` verifies strong cases, 100
of them with 20 seeds each, and no seed may call one weak. Returns 1 if there is a false alarm, or any other error.
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
from benchmarks.drawn_numbers import numbers_for, subnormal_numbers_for
from benchmarks.ratio_table import by_dtype, details
from benchmarks.strict_cases import SEEDS, STRONG, seeds_table, strong_cases
from benchmarks.tables import FORMATS, print_table
from benchmarks.trial_results import MODES, TrialResult, run_all
from convcheck.catalogue.catalogue import catalogue
from convcheck.config.checks import DTYPES

CASES = 12_000


def outcomes_of(
    names: Sequence[str],
    cases: int,
    seed: int,
    dtypes: Sequence[str],
    *,
    subnormal: bool = False,
    under: str = "none",
    device: str = "cpu",
) -> list[TrialResult]:
    """Draw and run the cases, with a progress bar where someone looks."""
    console = Console(stderr=True)
    numbers = subnormal_numbers_for if subnormal else numbers_for
    drawn = list(trials(names, cases, seed, tuple(dtypes), numbers, device))
    shown = track(
        run_all(drawn, under),
        "verifying",
        total=len(drawn),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return list(shown)


def strict(names: Sequence[str], seed: int, written: str, strong: int = STRONG, seeds: int = SEEDS) -> int:
    """Print how many strong cases are weak by chance, and which; return 1 if there is any, or another failure."""
    outcomes = list(strong_cases(names, seed, strong, seeds))
    print_table(seeds_table(outcomes), written)
    wrong = [outcome for outcome in outcomes if outcome.by_chance or outcome.failures]
    for outcome in wrong:
        texts = dict.fromkeys(text for texts in outcome.weak for text in texts) if outcome.by_chance else {}
        print(f"{outcome.claim.name}: {outcome.claim.case.layer} on {outcome.claim.case.inputs}")
        print(*(f"    {text}" for text in (*texts, *outcome.failures)), sep="\n")
    return int(bool(wrong))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, then every false alarm; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES, help="cases over all rewrites (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of layers, dtypes, scales and numbers (%(default)s)")
    parser.add_argument("--rewrite", action="append", help="only this one; may be repeated (default: all)")
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="only this one; may be repeated")
    parser.add_argument("--subnormal", action="store_true", help="numbers about the smallest that the dtype holds")
    parser.add_argument("--under", choices=MODES, default="none", help="a mode of torch that is on (%(default)s)")
    parser.add_argument("--device", default="cpu", help="what the asked dtype runs on (%(default)s)")
    parser.add_argument(
        "--strict", action="store_true", help=f"{STRONG} strong cases with {SEEDS} seeds each, and no more"
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    names = options.rewrite or list(catalogue())
    if unknown := set(names) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    if options.cases < 1:
        parser.error(f"--cases is {options.cases}; at least 1 is needed")
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    start = time.perf_counter()
    if options.strict:
        return strict(names, options.seed, options.format)
    results = outcomes_of(
        names,
        options.cases,
        options.seed,
        options.dtype or DTYPES,
        subnormal=options.subnormal,
        under=options.under,
        device=options.device,
    )
    for table in (by_dtype(results), *details(results)):
        print_table(table, options.format)
        print()
    failures = [each for each in results if each.failure]
    for each in failures:
        ratio = "" if each.ratio is None else f", ratio {each.ratio:.3g}"
        reason = each.reason if each.gradients else "gradients are not compared"
        print(f"{each.verdict}{ratio}: {each.trial}\n    {reason}")
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
