"""Wrong layouts of weights: every one is found, and the transplant that is suggested for it is equal.

    python benchmarks/wrong_layouts.py
    python benchmarks/wrong_layouts.py --rewrite fft --per-rewrite 500 --seed 7

First every ordered pair of orders of a patch's features: the candidate lays them out in one, and the weights in the
other. Then layers of every rewrite whose weights move by patterns, with the layouts of some of them changed at random.
`equal` counts changes that make no difference, as in an order of axes of which one is 1 long; `impossible` those that
do not fit the layer. Returns 1 if any wrong layout was missed, got no suggestion, or one that is not equal.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import permutations, product
from pathlib import Path
from random import Random
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.mutant_layers import layers_for
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Group, Pattern, spell
from convcheck.sizes.relayouts import Operation, Rearrangement, Relayout, parse_relayout

PATCHES = {
    "patchify-linear": ("Conv{}d(2, 3, {}, stride={})", "o i {k} -> o ({order})"),
    "linear-unpatchify": ("ConvTranspose{}d(3, 2, {}, stride={})", "i o {k} -> ({order}) i"),
}
"""The rewrites that lay out patches in any order: a layer, and the layout of its weight."""

KERNELS = {1: "2", 2: "(2, 3)", 3: "(2, 3, 2)"}
"""Small ones, without an axis of length 1, which may stand anywhere."""


class Status(StrEnum):
    """What became of a layout."""

    NAMED = "named"
    EQUAL = "equal"
    IMPOSSIBLE = "impossible"
    UNNAMED = "unnamed"
    NOT_EQUAL = "suggestion not equal"


FAILURES = (Status.UNNAMED, Status.NOT_EQUAL)


class Tried(NamedTuple):
    """A case with a layout, what became of it, and what was suggested."""

    case: Case
    status: Status
    suggestions: dict[str, str]

    def __str__(self) -> str:
        written = {name: str(relayout) for name, relayout in self.case.transplant.items()}
        order = f", order {' '.join(self.case.order)}" if self.case.order else ""
        return f"{self.case.layer} {self.case.rewrites}{order}: {written}: {self.status}, {self.suggestions}"


def attempt(case: Case, right: str | None = None) -> Tried:
    """Verify a case with a transplant, and once more with the one that is suggested, which has to be `right`."""
    (claim,) = claims_of([case])
    result = verify(claim)
    suggestions = dict(result.suggestions)
    if result.verdict is Verdict.EQUAL:
        status = Status.EQUAL
    elif result.verdict is Verdict.REFUSED:
        status = Status.IMPOSSIBLE
    elif result.suggestion not in suggestions.values() or result.suggestion != (right or result.suggestion):
        status = Status.UNNAMED
    else:
        pasted = {name: parse_relayout(text) for name, text in suggestions.items()}
        (mended,) = claims_of([replace(case, transplant=pasted)])
        status = Status.NAMED if verify(mended).verdict is Verdict.EQUAL else Status.NOT_EQUAL
    return Tried(case, status, suggestions)


def orders(name: str, dims: int) -> list[Group]:
    """Return all orders of the axes of a patch."""
    rewrite = catalogue()[name]
    return list(permutations(rewrite.spelt_order(dims).split()))


def attempt_order(name: str, dims: int, asked: Group, laid_out: Group) -> Tried:
    """Try a candidate with patches in one order, and weights in another."""
    layer, pattern = PATCHES[name]
    parsed = parse_layer(layer.format(dims, KERNELS[dims], KERNELS[dims]))
    claimed, right = (spell(pattern.replace("{order}", " ".join(order)), dims) for order in (laid_out, asked))
    case = Case("case", parsed, parsed.example_inputs(), (name,), asked, {"weight": parse_relayout(claimed)})
    return attempt(case, right)


def changed(relayout: Relayout, random: Random) -> Relayout:
    """Return a relayout with one thing in it changed: an order, a flip, a sign, zeros, or a step left out."""
    parts = list(relayout.parts)
    place = random.choice([number for number, part in enumerate(parts) if isinstance(part, Rearrangement)])
    pattern = parts[place].pattern  # type: ignore[union-attr]
    axes = [axis for group in pattern.target for axis in group]
    kind = random.randrange(5)
    if kind == 0 and len(axes) > 1:
        other = dict(zip(axes, random.sample(axes, len(axes)), strict=True))
        target = tuple(tuple(other[axis] for axis in group) for group in pattern.target)
        parts[place] = parts[place]._replace(pattern=Pattern(pattern.source, target))  # type: ignore[call-arg]
    elif kind == 1 and axes:
        parts.insert(place + 1, Operation("flip", random.choice(axes)))
    elif kind == 2:
        parts.append(Operation("negate"))
    elif kind == 3 and axes:
        zeros = random.choice([(0, 1), (1, 0), (1, 1)])
        parts.insert(place + 1, Operation("pad", random.choice(axes), zeros))
    elif len(parts) > 1:
        parts.pop(random.randrange(1, len(parts)))
    return Relayout(tuple(parts))


def random_cases(name: str, count: int, seed: int, layers: int) -> Iterator[Case]:
    """Yield cases of a rewrite with some weights laid out otherwise; none where no weight moves by a pattern."""
    random = Random(f"{seed} {name}")
    drawn = layers_for(name, layers, seed)
    for _ in range(count):
        layer, shapes = random.choice(drawn)
        case = Case("case", layer, shapes, (name,), seed=random.randrange(1000))
        moves = Claim(case, name, catalogue()[name], ()).usual_transplant().moves
        layouts = {move.source: move.layout for move in moves if isinstance(move, Move)}
        merged = {source for move in moves if not isinstance(move, Move) for source in move.sources}
        free = sorted(layouts.keys() - merged)
        if not free:
            return
        chosen = random.sample(free, random.randint(1, len(free)))
        yield replace(case, transplant={source: changed(parse_relayout(layouts[source]), random) for source in chosen})


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how many layouts were named, then every failure; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-rewrite", type=int, default=100, help="random layouts of each rewrite (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of layers and layouts (%(default)s)")
    parser.add_argument("--rewrite", action="append", help="only this one; may be repeated (default: all)")
    parser.add_argument("--format", choices=FORMATS, default="table")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    names = options.rewrite or list(catalogue())
    tried: dict[str, list[Tried]] = {}
    for name, dims in () if options.rewrite else product(PATCHES, KERNELS):
        pairs = permutations(orders(name, dims), 2)
        tried[f"orders of {name}, {dims}-D"] = [attempt_order(name, dims, *pair) for pair in pairs]
    for name in names:
        tried[name] = [attempt(case) for case in random_cases(name, options.per_rewrite, options.seed, layers=20)]
    counts = {name: Counter(one.status for one in several) for name, several in tried.items() if several}
    rows = [[name, *(str(count[status]) for status in Status)] for name, count in counts.items()]
    total = sum(counts.values(), Counter())
    print_table(Written(["layouts of", *Status], rows, ["all", *(str(total[s]) for s in Status)]), options.format)
    failures = [one for several in tried.values() for one in several if one.status in FAILURES]
    print(*failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
