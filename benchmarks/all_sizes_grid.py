"""Proofs for all sizes of rewrites of convolutions on a grid of settings, held against torch at sizes they claim.

    python benchmarks/all_sizes_grid.py --folder grid
    python benchmarks/all_sizes_grid.py --layers 200 --seed 7 --jobs 2 --format markdown
    python benchmarks/all_sizes_grid.py --rewrite taps-sum --all
    python benchmarks/all_sizes_grid.py --only 1234

Kernels are up to 7 long, strides to 4, dilations to 3, paddings as long as kernels, with 1 to 4 groups, in 1 to 3
dimensions, of both kinds of convolutions, with and without a bias, padded in all modes or `same`, sometimes without a
batch. Each layer is asked with one of the rewrites that hold, the one that was asked least, those that take long
seldom; with `--all` with each. Where both sides are proved equal, they run on whole numbers in float64 at five random
sizes among those that are claimed, the smallest ones first, and have to be equal to the bit; with numbers that are not
whole, as of `fft`, to 1e-9. A rewrite that holds and is refuted is wrong as well.

Seconds are of the processor. What is done stands in `--folder`, a line of JSON each, and is not done again. Returns 1
if a proof or a refutation is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, NamedTuple

if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that they wait for. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.all_sizes_claims import both_of, claim_of, proof_of
from benchmarks.all_sizes_held import hold
from benchmarks.all_sizes_layers import layers
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.catalogue.catalogue import applicable, catalogue
from convcheck.layers import Layer
from convcheck.results import SizesStatus
from convcheck.sizes.patterns import Shapes

LAYERS = 2_000
TIMES = 5
SECONDS = 30.0
LONG = {"fft": 20, "winograd": 20, "loops": 5}
"""As how many others a rewrite counts that takes long."""
EXEMPT = ("fft", "winograd")
HEAD = ("rewrite", "layers", "proved", "refuted", "unknown", "held at", "wrong", "seconds, median", "90 %", "most")
Line = dict[str, Any]


class Task(NamedTuple):
    """A layer with one of the rewrites that hold for it, and the number that draws both again."""

    number: int
    layer: Layer
    inputs: Shapes
    rewrite: str

    @property
    def key(self) -> str:
        return f"{self.number} {self.rewrite}"


def tasks(count: int, seed: int, only: Sequence[str], *, every: bool) -> Iterator[Task]:
    """Yield what is asked, in the order of the layers."""
    asked: Counter[str] = Counter()
    for number, (layer, inputs) in enumerate(layers(count, seed)):
        names = [name for name in applicable(layer, inputs) if not only or name in only]
        if not names:
            continue
        chosen = names if every else [min(names, key=lambda name: asked[name])]
        for name in chosen:
            asked[name] += LONG.get(name, 1)
            yield Task(number, layer, inputs, name)


def run(seed: int, seconds: float, task: Task) -> Line:
    """Ask for a proof, and hold it against torch."""
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    line: Line = {"key": task.key, "layer": str(task.layer), "inputs": task.inputs, "rewrite": task.rewrite}
    claim = claim_of(task.rewrite, task.layer, task.inputs)
    both = both_of(claim)
    start = time.process_time()
    try:
        proof = proof_of(claim, both, seconds)
    except Exception as error:  # that nothing falls over a layer is part of what is tested
        return line | {"status": "crashed", "wrong": f"{type(error).__name__}: {error}", "held": [], "obstacle": None}
    line |= {"status": str(proof.status), "free": dict(proof.free), "divisible": dict(proof.divisible)}
    line |= {"fixed": dict(proof.fixed), "obstacle": proof.obstacle, "probed": proof.probed, "held": [], "wrong": None}
    line |= {"raises": proof.raises.candidate, "seconds": time.process_time() - start}
    if proof.status is SizesStatus.PROVED:
        held = hold(task.rewrite, task.layer, task.inputs, both, proof, Random(f"{seed} {task.key}"), TIMES)
        line |= {"held": [dict(sizes) for sizes in held.sizes], "wrong": held.wrong}
    elif proof.counterexample is not None:
        line["wrong"] = f"refuted at {dict(proof.counterexample.sizes)}: {proof.counterexample.reason}"
    return line


def lines(asked: Sequence[Task], seed: int, seconds: float, jobs: int, file: Path | None) -> Iterator[Line]:
    """Yield what came of all tasks: first of those that are done, then of the others, which are written down."""
    keys = {task.key: task for task in asked}
    done = [json.loads(text) for text in file.read_text().splitlines()] if file and file.exists() else []
    known = {line["key"]: line for line in done if line["key"] in keys}
    yield from known.values()
    work = partial(run, seed, seconds)
    left = [task for task in asked if task.key not in known]
    if jobs == 1:
        yield from _written(map(work, left), file)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from _written(pool.map(work, left), file)


def _written(made: Iterator[Line], file: Path | None) -> Iterator[Line]:
    for line in made:
        if file:
            with file.open("a") as opened:
                opened.write(json.dumps(line) + "\n")
        yield line


def row(title: str, some: Sequence[Line]) -> tuple[str, ...]:
    """Return the cells for some lines."""
    statuses = Counter(line["status"] for line in some)
    seconds = [line["seconds"] for line in some if "seconds" in line] or [0.0]
    cuts = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else seconds * 9
    middle = quantiles(seconds, n=2, method="inclusive")[0] if len(seconds) > 1 else seconds[0]
    numbers = [len(some), *(statuses[one] for one in ("proved", "refuted", "unknown"))]
    numbers += [sum(len(line["held"]) for line in some), sum(line["wrong"] is not None for line in some)]
    return title, *(f"{number:,}" for number in numbers), *(f"{one:.2f}" for one in (middle, cuts[8], max(seconds)))


def report(done: Sequence[Line], written: str) -> None:
    """Print the table by rewrite, what was in the way, and all that is wrong."""
    rows = [row(name, some) for name in catalogue() if (some := [line for line in done if line["rewrite"] == name])]
    print_table(Written(HEAD, rows, row("total", done)), written)
    others = [line for line in done if line["rewrite"] not in EXEMPT]
    unknown = [line for line in others if line["status"] == "unknown"]
    share = len(unknown) / max(1, len(others))
    print(f"\nbeside {' and '.join(EXEMPT)}, {len(unknown):,} of {len(others):,} are unknown, {share:.1%}:\n")
    obstacles: dict[str, list[Line]] = {}
    for line in unknown:
        obstacles.setdefault(line["obstacle"], []).append(line)
    counted = sorted(obstacles.items(), key=lambda one: -len(one[1]))
    kinds = [(text, f"{len(some):,}", ", ".join(sorted({one["rewrite"] for one in some}))) for text, some in counted]
    print_table(Written(("obstacle", "layers", "of"), kinds), written)
    for line in done:
        if line["wrong"] is not None:
            print(f"WRONG {line['key']}: {line['layer']} on {line['inputs']}: {line['status']}, {line['wrong']}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for all proofs, print what came of them, and return 1 if any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=LAYERS, help="how many are drawn (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument("--rewrite", action="append", default=[], help="only this one; may be repeated (default: all)")
    parser.add_argument("--all", action="store_true", help="ask each layer with all rewrites that hold")
    parser.add_argument("--only", type=int, help="only the layer of this number")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit of a proof (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where what is done is written, and is not done again")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (%(default)s)")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    if unknown := set(options.rewrite) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    asked = list(tasks(options.layers, options.seed, options.rewrite, every=options.all))
    if options.only is not None:
        asked = [task for task in asked if task.number == options.only]
    file = options.folder / f"seed-{options.seed}.jsonl" if options.folder else None
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    done = list(lines(asked, options.seed, options.seconds, options.jobs, file))
    report(done, options.format)
    return int(any(line["wrong"] is not None for line in done))


if __name__ == "__main__":
    sys.exit(main())
