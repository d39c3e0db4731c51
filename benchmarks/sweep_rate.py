"""Whether a long sweep holds its rate, and its memory: `convcheck verify` on many small cases, thousand by thousand.

    python benchmarks/sweep_rate.py
    python benchmarks/sweep_rate.py --jobs 2
    python benchmarks/sweep_rate.py --page docs/performance.md     # writes the table anew where its markers stand

The program runs by itself and prints a line of JSON for every claim; when a line comes is when the claim is done. Of
every thousand lines stand their rate by wall time, the processor's time for a claim, and what is resident after them,
of the program and of all its workers (what they share is counted in all of them). The cases are a sweep as a user
writes one: five kinds of layers with one rewrite, of other channels, kernels and sizes. Needs Linux.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.tables import FORMATS, Written, markdown, print_table

STEP = 1000
"""Lines after which time and memory are read."""

MARKERS = "<!-- sweep -->", "<!-- /sweep -->"

SLOWEST, GROWN = 1.15, 1.1
"""What a claim of the last quarter may take, of the time of one of the second, and what may be resident after it."""


def config(cases: int, seed: int = 0) -> str:
    """Return a config of small cases of mixed kinds."""
    return "".join(["cases:\n", *_entries(cases, random.Random(seed))])


def _entries(cases: int, drawn: random.Random) -> Iterator[str]:
    for number in range(cases):
        i, o, k = drawn.randint(1, 8), drawn.randint(1, 8), drawn.randint(2, 3)
        h, w = 3 * k, 4 * k
        layer, shape, rewrite = drawn.choice(
            (
                (f"Conv2d({i}, {o}, {k}, stride={k})", [2, i, h, w], "patchify-linear"),
                (f"Conv1d({i}, {o}, {k}, stride={k})", [2, i, w], "patchify-linear"),
                (f"Conv2d({i}, {o}, 1)", [2, i, h, w], "pointwise-linear"),
                (f"Conv2d({i}, {o}, 3, padding=1)", [2, i, h, w], "unfold-matmul"),
                (f"ConvTranspose2d({i}, {o}, {k}, stride={k})", [2, i, h, w], "linear-unpatchify"),
            )
        )
        yield f"  - {{name: c{number}, layer: '{layer}', input: {shape}, rewrite: {rewrite}}}\n"


class Mark(NamedTuple):
    """What was read when so many claims were done: seconds of the clock and of processors, bytes that are resident."""

    done: int
    wall: float
    processor: float
    program: int
    workers: int


def _read(done: int, process: psutil.Process) -> Mark:
    children = process.children(recursive=True)
    times = [each.cpu_times() for each in (process, *children)]
    resident = [each.memory_info().rss for each in (process, *children)]
    return Mark(done, time.perf_counter(), sum(t.user + t.system for t in times), resident[0], sum(resident[1:]))


def run(file: Path, jobs: int) -> Iterator[Mark]:
    """Run `verify` on a config, and yield what is read after the first claim and after every thousand."""
    words = [sys.executable, "-m", "convcheck", "verify", str(file), "-q", "-f", "jsonl"]
    words += ["--jobs", str(jobs)] if jobs > 1 else []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        watched = psutil.Process(process.pid)
        for done, _ in enumerate(process.stdout, 1):
            if done == 1 or done % STEP == 0:
                yield _read(done, watched)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}")


def row(before: Mark, after: Mark) -> list[str]:
    """Return the cells of the claims between two marks."""
    done, wall = after.done - before.done, after.wall - before.wall
    cells = [f"{after.done:,}", f"{done / wall:.0f}", f"{(after.processor - before.processor) / done * 1e3:.2f}"]
    return [*cells, *(f"{size / 2**20:.0f}" if size else "" for size in (after.program, after.workers))]


def grown(marks: list[Mark]) -> tuple[float, float]:
    """Return the processor's time of the last quarter's claims, and what is resident after it, by the second's."""
    quarter, half, late, end = (marks[len(marks) * part // 4 - (part == 4)] for part in (1, 2, 3, 4))
    taken = (end.processor - late.processor) / (end.done - late.done)
    first = (half.processor - quarter.processor) / (half.done - quarter.done)
    return taken / first, (end.program + end.workers) / (half.program + half.workers)


def main() -> int:
    """Measure, print the table, and return 1 if claims take longer in the end, or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="how many (20,000)")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes verify them (1)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        file.write_text(config(options.cases))
        marks = list(run(file, options.jobs))
    rows = [row(before, after) for before, after in pairwise(marks)]
    head = ["claims", "a second", "processor, ms a claim", "program, MiB", "workers, MiB"]
    table = Written(head, rows)
    print_table(table, options.format)
    time_of_last, memory_of_last = grown(marks)
    versions = f"Python {platform.python_version()}, torch {version('torch')}, {os.cpu_count()} CPUs"
    under = (
        f"{versions}, --jobs {options.jobs}; of the second quarter, claims of the last take {time_of_last:.2f} of the "
        f"processor's time, and {memory_of_last:.2f} of the memory is resident after it."
    )
    print(f"\n{under}")
    if options.page:
        lines = "\n".join([*markdown(table.head, table.rows), "", under])
        before, _, rest = options.page.read_text().partition(MARKERS[0])
        _, _, after = rest.partition(MARKERS[1])
        options.page.write_text(f"{before}{MARKERS[0]}\n\n{lines}\n\n{MARKERS[1]}{after}")
    return int(time_of_last > SLOWEST or memory_of_last > GROWN)


if __name__ == "__main__":
    sys.exit(main())
