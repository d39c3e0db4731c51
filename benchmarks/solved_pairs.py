"""What `convcheck solve` finds for pairs in the styles of public repositories, held against plain torch.

    python benchmarks/solved_pairs.py
    python benchmarks/solved_pairs.py --file convs --format markdown

Pairs are those of benchmarks/solve_pairs.py, whose own oracle says what is true of them. A map that is found is run, as
the code that is printed, on states of whole numbers, and both sides on those: `right` is one that makes them agree in
every draw. `status` in capitals is not what is true. Seconds are of the search, and of the closing proof.
Returns 1 if a map is wrong, or one is found where there is none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.public_code.plain import CLOSE, DRAWS, Entry, entries, fill
from benchmarks.public_code.record import Truth
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.config.case import Case
from convcheck.config.input_specs import parse_specs
from convcheck.config.replacement import Replacement
from convcheck.layers import parse_layer
from convcheck.sides.user_sides import layer_of_module
from convcheck.solving.program import function
from convcheck.solving.solution import Solution
from convcheck.solving.solve import solve

HEAD = ("pair", "style", "truth", "status", "map", "words", "proof", "search", "proving")


class Outcome(NamedTuple):
    """What is found for a pair, and whether its map is right; None where there is no map."""

    entry: Entry
    solution: Solution
    right: bool | None
    searching: float
    proving: float

    @property
    def is_wrong(self) -> bool:
        """Whether a map is wrong, or cannot be."""
        return self.right is False or (self.right is not None and self.entry.pair.truth is Truth.NONE)

    @property
    def as_true(self) -> bool:
        """Whether the status is what is true of the pair."""
        return str(self.solution.status) == str(self.entry.pair.truth)

    def row(self) -> list[str]:
        """Return the texts of the row."""
        pair, solution = self.entry.pair, self.solution
        status = str(solution.status) if self.as_true else str(solution.status).upper()
        words = sum(one.pattern is not None for one in solution.map.values())
        kinds = {None: "-", True: "right", False: "WRONG"}
        proof = f"{solution.result.verdict}, {solution.result.evidence}" if solution.result else solution.reason or "-"
        told = f"{words} of {len(solution.map)}" if solution.map else "-"
        times = [f"{self.searching:.1f}", f"{self.proving:.1f}"]
        return [pair.name, pair.style, pair.truth, status, kinds[self.right], told, proof, *times]


def case_of(entry: Entry) -> Case:
    """Return a pair as a case without a map."""
    texts = (entry.pair.reference, entry.pair.candidate)
    modules = [side.to(torch.float32) for side in entry.sides()]
    reference, candidate = (
        layer_of_module(module) if text.startswith(":") else parse_layer(text)
        for module, text in zip(modules, texts, strict=True)
    )
    specs = parse_specs(list(entry.pair.inputs))
    shapes = tuple(spec.shape for spec in specs)
    return Case(entry.pair.name, reference, shapes, input_specs=specs, candidate=Replacement(candidate))


def is_right(entry: Entry, code: str) -> bool:
    """Tell whether both sides agree on every draw, with the candidate's state made by a map's code."""
    convert = function(code)
    reference, candidate = entry.sides()
    for draw in range(DRAWS):
        fill(reference, draw)
        made = {name: one.double() for name, one in convert(reference.state_dict()).items()}
        candidate.load_state_dict({**candidate.state_dict(), **made})
        inputs = entry.inputs(draw)
        wanted, got = reference(*inputs), candidate(*inputs)
        if wanted.shape != got.shape or not torch.allclose(wanted, got, CLOSE, CLOSE):
            return False
    return True


def outcome(entry: Entry) -> Outcome:
    """Solve a pair."""
    start = time.perf_counter()
    solution = solve(case_of(entry))
    proving = solution.result.seconds if solution.result is not None else 0.0
    searching = time.perf_counter() - start - proving
    right = None if solution.code is None else is_right(entry, solution.code)
    return Outcome(entry, solution, right, searching, proving)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a map is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", action="append", default=[], help="only public_code/pairs_FILE.py; may be repeated")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    chosen = [one for one in entries() if not options.file or one.file.__name__.rpartition("pairs_")[2] in options.file]
    outcomes = [outcome(entry) for entry in chosen]
    right = sum(one.right is True and not one.is_wrong for one in outcomes)
    wrong = sum(one.is_wrong for one in outcomes)
    medians = [
        f"median {statistics.median(times):.1f}" if times else "-"
        for times in ([one.searching for one in outcomes], [one.proving for one in outcomes])
    ]
    as_true = f"{sum(one.as_true for one in outcomes)} as true"
    total = [str(len(outcomes)), "", "", as_true, f"{right} right, {wrong} wrong", "", "", *medians]
    print_table(Written(HEAD, [one.row() for one in outcomes], total), options.format)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
