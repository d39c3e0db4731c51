"""How long six rewrites of one layer take together, beside each of them alone.

    python benchmarks/six_rewrites.py
    python benchmarks/six_rewrites.py --rounds 30 --format markdown
    python benchmarks/six_rewrites.py --page docs/performance.md     # writes the table anew where its markers stand

Together they are the claims of one case, as `convcheck verify LAYER` makes them; alone each is a case of its own. Both
are in one process, on one thread, and take turns, and so do four dtypes of one rewrite; of all rounds the median
counts. Candidates are what is not shared: six that take about as long as the layer show what is, and of others, such
as winograd, little is left to share.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import torch

from benchmarks.small_cases import Round, timed, write_between
from benchmarks.tables import FORMATS, Written, markdown, print_table
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.layers import parse_layer
from convcheck.proof.run import run

MOST = 0.6
"""What six together may take at most, of six times one."""

MARKERS = "<!-- six-rewrites -->", "<!-- /six-rewrites -->"


class Layer(NamedTuple):
    """A layer as text, its input, and six of its rewrites."""

    text: str
    shape: tuple[int, ...]
    rewrites: tuple[str, ...]
    judged: bool = True
    """Whether the rewrites take about as long as the layer, so that it counts."""


LAYERS = (
    Layer(
        "Conv2d(3, 64, 4, stride=4)",
        (2, 3, 32, 32),
        ("patchify-linear", "patchify-conv1x1", "spacetodepth-conv", "subsampled-conv", "taps-sum", "unfold-matmul"),
    ),
    Layer(
        "Conv2d(8, 16, 3, padding=1)",
        (2, 8, 12, 12),
        ("explicit-pad", "taps-sum", "toeplitz-matmul", "unfold-matmul", "windows-sum", "winograd"),
        judged=False,
    ),
    Layer(
        "ConvTranspose2d(16, 8, 2, stride=2)",
        (2, 16, 8, 8),
        (
            "conv-depthtospace",
            "conv1x1-unpatchify",
            "linear-unpatchify",
            "matmul-fold",
            "transposed-as-gradient",
            "zeroinsert-conv",
        ),
    ),
)


def cases_of(layer: Layer, rewrites: Sequence[str], dtypes: Sequence[DType] = ("float32",)) -> list[Case]:
    """Return a case for every dtype."""
    parsed = parse_layer(layer.text)
    return [Case("case", parsed, (layer.shape,), tuple(rewrites), dtype=dtype) for dtype in dtypes]


def prove(cases: Sequence[Case]) -> None:
    """Gather all evidence on cases, in one run."""
    assert run(list(claims_of(cases))).ok


def measure(together: Callable[[], object], alone: Callable[[], object], rounds: int) -> tuple[Round, Round]:
    """Return the medians of both, which take turns; the first round is not counted."""
    taken = [(timed(together), timed(alone)) for _ in range(rounds + 1)][1:]
    both = zip(*taken, strict=True)
    first, second = (Round(*map(statistics.median, zip(*turns, strict=True))) for turns in both)
    return first, second


def row(name: str, together: Sequence[Case], alone: Sequence[Sequence[Case]], rounds: int) -> tuple[list[str], float]:
    """Return a row of the table, and the ratio of wall times."""

    def one_by_one() -> None:
        for cases in alone:
            prove(cases)

    first, second = measure(lambda: prove(together), one_by_one, rounds)
    ratio = first.wall / second.wall
    times = [f"{1000 * one.wall:.1f} ms" for one in (second, first)]
    return [name, *times, f"{ratio:.2f}", f"{first.processor / second.processor:.2f}"], ratio


def main() -> int:
    """Measure, print the table, and return 1 if six together take longer than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of both (20)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows, slow = [], False
    for layer in LAYERS:
        together, alone = cases_of(layer, layer.rewrites), [cases_of(layer, [name]) for name in layer.rewrites]
        cells, ratio = row(f"{layer.text}, six rewrites", together, alone, options.rounds)
        slow |= layer.judged and ratio > MOST
        rows.append(cells)
        name = layer.rewrites[0]
        together = cases_of(layer, [name], get_args(DType))
        cells, _ = row(f"{layer.text}, four dtypes of {name}", together, [[one] for one in together], options.rounds)
        rows.append(cells)
    head = ["what", "one by one", "together", "ratio", "ratio of processor time"]
    print_table(Written(head, rows), options.format)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    under = f"{versions}, one thread; medians of {options.rounds} rounds in turn."
    print(f"\n{under}\nallowed: {MOST:g} of six rewrites; too slow: {'yes' if slow else 'no'}")
    if options.page:
        write_between(options.page, MARKERS, [*markdown(head, rows), "", under])
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
