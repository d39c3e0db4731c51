"""What is proved for all sizes of each rewrite at its example, what is in the way of more, and how long it takes.

    python benchmarks/all_sizes_table.py
    python benchmarks/all_sizes_table.py --rewrite taps-sum --repeats 3
    python benchmarks/all_sizes_table.py --page docs/all-sizes.md

Seconds are of the processor: of all traces of both sides, of reading what was traced, of comparing what was read, and
of all but the traces, which is what the proof itself takes: runs in torch and the second look as well. With `--repeats`
they are medians. The first proof of a process is not timed. With `--page` the table stands between the markers of a
page. Returns 1 if a rewrite is refuted.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple
from unittest.mock import patch

if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that they wait for. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.all_sizes_claims import both_of, claim_of, proof_of
from benchmarks.own_pairs import Stopwatch
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.all_sizes import dtypes, regions
from convcheck.all_sizes.compare import differences
from convcheck.all_sizes.reading import read
from convcheck.all_sizes.trace import trace_both
from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import parse_layer
from convcheck.report.sizes_words import in_few_words
from convcheck.results import SizesProof, SizesStatus

SECONDS = 30.0
HEAD = ("rewrite", "status", "sizes", "in the way", "tracing", "reading", "comparing", "without tracing")
MARKERS = ("<!-- all-sizes-table -->\n", "<!-- /all-sizes-table -->")
WARM = "pointwise-linear"


class Seconds(NamedTuple):
    """How long parts of a proof take."""

    tracing: float
    reading: float
    comparing: float
    beside_tracing: float


class Outcome(NamedTuple):
    """What is proved of a rewrite at its example."""

    name: str
    proof: SizesProof
    seconds: Seconds

    def row(self) -> tuple[str, ...]:
        """Return the texts of its row."""
        proved = self.proof.status is SizesStatus.PROVED
        words = in_few_words(self.proof) if proved or self.proof.counterexample else "-"
        obstacle = (self.proof.obstacle or "-").replace("|", "\\|")
        return self.name, str(self.proof.status), words, obstacle, *(f"{one:.2f}" for one in self.seconds)


def outcome(name: str, seconds: float, repeats: int = 1) -> Outcome:
    """Ask for a proof at the example of a rewrite, and time it; the proof is the same every time."""
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    claim = claim_of(name, layer, rewrite.example_inputs or layer.example_inputs())
    both, taken = both_of(claim), []
    for _ in range(repeats):
        watches = [Stopwatch(time.process_time) for _ in range(3)]
        start = time.process_time()
        with ExitStack() as patches:
            parts: list[tuple[Any, str, Any]] = [
                (dtypes, "trace_both", trace_both),
                (regions, "read", read),
                (regions, "differences", _all_differences),
            ]
            for watch, (room, part, function) in zip(watches, parts, strict=True):
                patches.enter_context(patch.object(room, part, watch.around(function)))
            proof = proof_of(claim, both, seconds)
        total = time.process_time() - start
        tracing, reading, comparing = (watch.seconds for watch in watches)
        taken.append(Seconds(tracing, reading, comparing, total - tracing))
    return Outcome(name, proof, Seconds(*map(median, zip(*taken, strict=True))))


def _all_differences(*arguments: Any) -> list[Any]:
    return list(differences(*arguments))


def total(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the last row: how many are proved, and the seconds of all."""
    counts = Counter(one.proof.status for one in outcomes)
    counted = ", ".join(f"{counts[status]} {status}" for status in SizesStatus if counts[status])
    sums = (f"{sum(column):.1f}" for column in zip(*(one.seconds for one in outcomes), strict=True))
    return f"all {len(outcomes)}", counted, "", "", *sums


def quantile_table(outcomes: Sequence[Outcome]) -> Written:
    """Return the median, the 90th percentile and the most of the seconds, of all and of those that are proved."""
    rows = []
    for title, some in (
        ("all", list(outcomes)),
        ("proved", [one for one in outcomes if one.proof.status is SizesStatus.PROVED]),
    ):
        if len(some) < 2:
            continue
        for part, column in (("tracing", 0), ("all but tracing", 3)):
            seconds = [one.seconds[column] for one in some]
            cuts = median(seconds), quantiles(seconds, n=10, method="inclusive")[8], max(seconds)
            rows.append((f"{part}, of {len(some)} ({title})", *(f"{one:.2f}" for one in cuts)))
    return Written(("seconds", "median", "90 %", "most"), rows)


def put_in(page: Path, text: str) -> None:
    """Put a text between the markers of a page, which are added at its end where it has none."""
    before, _, rest = (page.read_text() if page.exists() else "").partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2] or "\n"
    page.write_text(f"{before}{MARKERS[0]}{text}{MARKERS[1]}{after}")


def _print(tables: Sequence[Written], written: str) -> None:
    for number, table in enumerate(tables):
        if number:
            print()
        print_table(table, written)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for all proofs, print the tables, and return 1 if a rewrite is refuted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="append", default=[], help="only this one; may be repeated (default: all)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit of a proof (%(default)s)")
    parser.add_argument("--repeats", type=int, default=1, help="how often each is timed (%(default)s)")
    parser.add_argument("--page", type=Path, help="the page to put the tables in, in Markdown")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    if unknown := set(options.rewrite) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    outcome(WARM, options.seconds)
    # As the program does: what is loaded is no garbage, and is not searched for any.
    gc.freeze()
    outcomes = [outcome(name, options.seconds, options.repeats) for name in options.rewrite or catalogue()]
    tables = [Written(HEAD, [one.row() for one in outcomes], total(outcomes)), quantile_table(outcomes)]
    if options.page:
        text = io.StringIO()
        with redirect_stdout(text):
            _print(tables, "markdown")
        put_in(options.page, text.getvalue())
    else:
        _print(tables, options.format)
    return int(any(one.proof.status is SizesStatus.REFUTED for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
