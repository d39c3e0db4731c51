"""How many planted faults convcheck finds, over all rewrites, and how many torch's own comparisons would have found.

    python benchmarks/mutants.py
    python benchmarks/mutants.py --rewrite fft --per-rewrite 500 --seed 7
    python benchmarks/mutants.py --given
    python benchmarks/mutants.py --all-sizes --per-rewrite 20

Layers and shapes are drawn as the tests draw them; each gets a fault of every kind that makes sense for it, in one of
the four dtypes. A mutant is `killed` where the verdict is `different`; `equivalent` where it is proved to be the same
function, on every basis vector of inputs and weights; `weak` where the result says that the case could not tell; and
`survived` where it was missed. What cannot be built, or has another shape, is not counted. Returns 1 if any survived.

With `--given`, the numeric part runs on weights that a user brings: zeros, tiny, huge, equal, sparse, or as after
training. With `--all-sizes`, a proof is asked for every mutant as well, and one that differs must not be proved; one
that is the same function at its shape may be refuted at another, where torch runs both.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import cast

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.faults import faults
from benchmarks.given_weights import given, matter
from benchmarks.mutant_layers import layers_for
from benchmarks.mutant_sizes import is_wrong, print_sizes, with_proof
from benchmarks.mutant_status import FAILURES, MutantResult, Status, judge, mutant
from benchmarks.mutant_table import print_report
from benchmarks.planting import Fault
from benchmarks.setting_faults import is_one
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DTYPES, DType
from convcheck.layers import Layer
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from convcheck.sizes.patterns import Shapes

PER_REWRITE = 200
PROOF_SECONDS = 30.0
LAYERS = 30
"""Layers that are drawn for a rewrite; each gets a fault of every kind, again and again until there are enough."""


def mutants(
    name: str,
    count: int,
    seed: int,
    layers: int = LAYERS,
    *,
    on_given: bool = False,
    device: str = "cpu",
    seconds: float = 0.0,
) -> Iterator[MutantResult]:
    """Yield the results of up to `count` distinct mutants of a rewrite, and of those that could not be built.

    The numeric part runs on drawn weights, or `on_given` ones; a proof for all sizes may take so many seconds.
    """
    random = Random(f"{seed} {name}")
    drawn = layers_for(name, layers, seed)
    random.shuffle(drawn)
    seen: set[str] = set()
    built = 0
    fresh = True
    while fresh:
        fresh = False
        for layer, shapes in drawn:
            right = claim_of(name, layer, shapes, random, seed, on_given=on_given, device=device)
            if right is None:
                continue
            for fault in one_of_each(right, random):
                told = mutant(right, fault)
                if told in seen:
                    continue
                seen.add(told)
                fresh = True
                result = judge(right, fault)
                built += result.status is not Status.UNBUILT
                if seconds and result.status is not Status.UNBUILT:
                    result = with_proof(result, seconds)
                yield result
                if built == count:
                    return


def claim_of(
    name: str,
    layer: Layer,
    shapes: Shapes,
    random: Random,
    seed: int,
    *,
    on_given: bool = False,
    device: str = "cpu",
) -> Claim | None:
    """Return the claim that a rewrite holds, in any dtype. It has to be found true, or its mutants tell nothing.

    None where the weights that are given are beyond the dtype.
    """
    case = Case("mutant", layer, shapes, (name,), dtype=cast("DType", random.choice(DTYPES)), device=device, seed=seed)
    claim = Claim(case, name, catalogue()[name], ())
    claim = given(claim, random) if on_given else claim
    result = verify(claim)
    if on_given and result.verdict is Verdict.ERROR:
        return None
    if result.verdict is not Verdict.EQUAL:
        raise AssertionError(f"{result.reproduce}: without any fault it is {result.verdict}, {result.reason}")
    return claim


def one_of_each(claim: Claim, random: Random) -> Iterator[Fault]:
    """Yield one fault of every kind that there is for a claim."""
    by_kind: dict[str, list[Fault]] = {}
    for fault in faults(claim, random):
        by_kind.setdefault(fault.kind, []).append(fault)
    for each in by_kind.values():
        random.shuffle(each)
        # To see that something is overlooked takes a while, so it is seen of those alone that are taken.
        yield from islice((fault for fault in each if is_one(claim, fault)), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and what is to be said about it; return 1 if a fault was missed, or none found where none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-rewrite", type=int, default=PER_REWRITE, help="mutants of each rewrite (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of layers, faults and numbers (%(default)s)")
    parser.add_argument("--rewrite", action="append", help="only this one; may be repeated (default: all)")
    parser.add_argument("--given", action="store_true", help="on weights that a user brings, where these may matter")
    parser.add_argument("--all-sizes", action="store_true", help="ask for proofs for all sizes as well")
    parser.add_argument("--device", default="cpu", help="what the asked dtype runs on (%(default)s)")
    parser.add_argument("--format", choices=("table", "markdown"), default="table")
    options = parser.parse_args(arguments)
    names = options.rewrite or [name for name in catalogue() if not options.given or matter(catalogue()[name])]
    if unknown := set(names) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    start = time.perf_counter()
    results: list[MutantResult] = []
    console = Console(stderr=True)
    for name in track(names, "planting", console=console, transient=True, disable=not console.is_terminal):
        results += mutants(
            name,
            options.per_rewrite,
            options.seed,
            on_given=options.given,
            device=options.device,
            seconds=PROOF_SECONDS if options.all_sizes else 0.0,
        )
    print_report(results, options.format)
    if options.all_sizes:
        print()
        print_sizes(results, options.format)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(any(result.status in FAILURES or is_wrong(result) for result in results))


if __name__ == "__main__":
    sys.exit(main())
