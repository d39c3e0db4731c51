"""How time and memory of a proof grow with channels, kernel, positions, batch, and the numbers of cases and layers.

    python benchmarks/growth.py
    python benchmarks/growth.py --only batch --format markdown
    python benchmarks/growth.py --page docs/performance.md     # writes table and picture anew

Every point is a process of its own with one thread. Its time is the processor's, the least of some proofs; its memory
is the peak of one more, above what was resident before it, with torch loaded and a first proof done. An exponent is the
slope of a line through the logarithms of the larger half of the points, where what is there at any size counts less.
The expected one is the slope, through the same points, of what the layer itself has: its products for time, for memory
the numbers of weights, inputs and output. Needs Linux, glibc, and matplotlib for the picture.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.memory import MEGABYTE, forget_peak, resident
from benchmarks.proof_memory import GIVES_BACK
from benchmarks.small_cases import case_of, draw, write_between
from benchmarks.tables import FORMATS, Written, markdown, print_table
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.results import Verdict

MARKERS = "<!-- growth -->", "<!-- /growth -->"
PICTURE = "growth.svg"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PROOFS = 3
"""Of how many proofs the fastest counts."""


class Point(NamedTuple):
    """One size: what is done there, and what the layer itself has of products and numbers."""

    work: Callable[[], None]
    products: float
    numbers: float


class Growth(NamedTuple):
    """What grows, at which sizes, and what is done at each of them. `written` names the work with `{}` for the size."""

    written: str
    sizes: Sequence[int]
    at: Callable[[int], Point]


def proof(text: str, shape: tuple[int, ...], rewrite: str) -> Point:
    """Return the proof of one claim."""
    layer = parse_layer(text)
    claim = Claim(Case("growth", layer, (shape,), (rewrite,)), rewrite, catalogue()[rewrite], ())

    def work() -> None:
        from convcheck.proof.verification import verify

        assert verify(claim).verdict is Verdict.EQUAL

    output = layer.output_shape(shape)
    return Point(
        work, layer.macs(shape), sum(map(math.prod, layer.parameters().values())) + math.prod(shape) + math.prod(output)
    )


def cases(count: int) -> Point:
    """Return the proofs of so many small cases."""
    claims = list(claims_of([case_of(number, one) for number, one in enumerate(draw(count))]))

    def work() -> None:
        from convcheck.proof.run import run

        assert run(claims).ok

    return Point(work, count, 1)


def layers(count: int) -> Point:
    """Return the shapes of a chain of so many layers, as torch prints it."""
    kinds = ("Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))", "ReLU()")
    lines = (f"  ({number}): {kinds[number % 2]}" for number in range(count))
    chain = "\n".join(["Sequential(", *lines, ")"])

    def work() -> None:
        from typer.testing import CliRunner

        from convcheck.cli.main import app

        ran = CliRunner().invoke(app, ["shape", "-", "-i", "1,8,32,32"], input=chain)
        assert ran.exit_code == 0, ran.output

    return Point(work, count, count)


def own_layers(count: int) -> Point:
    """Return the proof of two modules of so many layers, built from classes of torch."""
    from torch import nn

    def chain() -> nn.Module:
        pairs = ((nn.Conv1d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(count // 2))
        return nn.Sequential(*(layer for pair in pairs for layer in pair))

    def work() -> None:
        from convcheck import verify

        result = verify(chain(), (2, 4, 12), candidate=chain())
        assert result.verdict is Verdict.EQUAL, result.reason

    return Point(work, count, count)


PATCHES, COLUMNS = "patchify-linear", "unfold-matmul"
GROWTHS = {
    "channels": Growth(
        "Conv2d({}, {}, 4, stride=4) on 2x{}x56x56",
        (8, 16, 32, 64, 128, 256),
        lambda c: proof(f"Conv2d({c}, {c}, 4, stride=4)", (2, c, 56, 56), PATCHES),
    ),
    "kernel": Growth(
        "Conv2d(3, 64, {}, stride={}) on 14x14 patches",
        (2, 4, 8, 16, 32, 64),
        lambda k: proof(f"Conv2d(3, 64, {k}, stride={k})", (2, 3, 14 * k, 14 * k), PATCHES),
    ),
    "kernel, as columns": Growth(
        "Conv2d(16, 16, {}, padding='same') on 2x16x32x32",
        (1, 3, 5, 9, 15),
        lambda k: proof(f"Conv2d(16, 16, {k}, padding={k // 2})", (2, 16, 32, 32), COLUMNS),
    ),
    "height and width": Growth(
        "Conv2d(16, 64, 4, stride=4) on 2x16x{}x{}",
        (16, 32, 64, 128, 256, 512),
        lambda h: proof("Conv2d(16, 64, 4, stride=4)", (2, 16, h, h), PATCHES),
    ),
    "batch": Growth(
        "Conv2d(3, 64, 16, stride=16) on {}x3x64x64",
        (2, 8, 32, 128, 512),
        lambda b: proof("Conv2d(3, 64, 16, stride=16)", (b, 3, 64, 64), PATCHES),
    ),
    "cases": Growth("{} small cases", (100, 200, 400, 800, 1600), cases),
    "layers": Growth("shapes of a Sequential of {}", (100, 300, 1000, 3000), layers),
    "layers, proved": Growth("two modules of {} layers", (8, 16, 32, 64, 128), own_layers),
}


class Measured(NamedTuple):
    """What one point takes, in seconds and MB, and what the layer itself has there."""

    size: int
    seconds: float
    megabytes: float
    products: float
    numbers: float


def measure(name: str, size: int) -> Measured:
    """Measure one point, in this process."""
    import torch

    torch.set_num_threads(1)
    point = GROWTHS[name].at(size)
    GROWTHS[name].at(GROWTHS[name].sizes[0]).work()
    seconds = []
    for _ in range(PROOFS):
        start = time.process_time()
        point.work()
        seconds.append(time.process_time() - start)
    # What is freed would be taken again, and not be counted.
    ctypes.CDLL(None).malloc_trim(0)
    forget_peak()
    before, read = resident("VmRSS"), resident("RssFile")
    point.work()
    # Libraries' code that was read in meanwhile is no memory of the proof's.
    taken = resident("VmHWM") - before - (resident("RssFile") - read)
    return Measured(size, min(seconds), taken / MEGABYTE, point.products, point.numbers)


def exponent(points: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    """Return the slope of the line through the logarithms of the larger half of the points, by least squares."""
    upper = points[len(points) // 2 :]
    xs, ys = [math.log(one.size) for one in upper], [math.log(max(of(one), 1e-9)) for one in upper]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def row(name: str, points: Sequence[Measured]) -> list[str]:
    """Return the cells of one growth."""
    first, last = points[0], points[-1]
    work = GROWTHS[name].written.replace("{}", "n")
    time_, its = exponent(points, lambda one: one.seconds), exponent(points, lambda one: one.products)
    memory, numbers = exponent(points, lambda one: one.megabytes), exponent(points, lambda one: one.numbers)
    return [
        name,
        work,
        f"{first.size:,} to {last.size:,}",
        f"{1000 * first.seconds:,.0f} to {1000 * last.seconds:,.0f} ms",
        f"{time_:.2f}",
        f"{its:.2f}",
        f"{first.megabytes:,.1f} to {last.megabytes:,.1f} MB",
        f"{memory:.2f}" if last.megabytes > 1 else "",
        f"{numbers:.2f}",
    ]


def draw_picture(all_points: dict[str, list[Measured]], path: Path) -> None:
    """Draw time and memory against size on log axes."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9})
    figure, both = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    drawn: tuple[tuple[str, Callable[[Measured], float]], ...] = (
        ("seconds of the processor", lambda one: one.seconds),
        ("peak memory, MB", lambda one: one.megabytes),
    )
    for axes, (title, of) in zip(both, drawn, strict=True):
        for name, points in all_points.items():
            label = f"{name}: {exponent(points, of):.1f}"
            axes.plot([one.size for one in points], [of(one) for one in points], marker="o", markersize=3, label=label)
        axes.set(xscale="log", yscale="log", xlabel="size", title=title)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(fontsize=7, title="fitted exponents", title_fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(GROWTHS), help="this one; may be repeated (all)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written, with a picture")
    options = parser.parse_args()
    os.environ.update(ONE_THREAD | GIVES_BACK)
    taken: dict[str, list[Measured]] = {}
    for name in options.only or GROWTHS:
        for size in GROWTHS[name].sizes:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                taken.setdefault(name, []).append(process.submit(measure, name, size).result())
    head = ["what grows", "of what", "n", "time", "exponent", "of products", "memory", "exponent", "of numbers"]
    rows = [row(name, points) for name, points in taken.items()]
    print_table(Written(head, rows), options.format)
    under = f"Python {sys.version.split()[0]}, torch {version('torch')}, one thread; the least of {PROOFS} proofs."
    print(f"\n{under}")
    if options.page:
        draw_picture(taken, options.page.parent / PICTURE)
        picture = f"![time and memory against size, on log axes]({PICTURE})"
        write_between(options.page, MARKERS, [*markdown(head, rows), "", under, "", picture])
    return 0


if __name__ == "__main__":
    sys.exit(main())
