"""Pairs in the styles of public repositories, for `convcheck solve`, and what torch alone tells of their maps.

    python benchmarks/solve_pairs.py --oracle
    python benchmarks/solve_pairs.py --oracle --file convs --format markdown
    python benchmarks/solve_pairs.py --commands

Modules are in benchmarks/public_code. `--oracle` holds every map against both sides on whole numbers in float64. A map
that is the only one leaves no direction of the candidate's parameters free (the rank of their gradients); where there
are several, a second one is held against both sides, too. Where there is none, outputs are affine in the candidate's
parameters, and the best of all states (least squares) is off by the part that stands there. What a map does is read off
its gradients; `moves` are of entries that stay as they are. `--commands` prints what asks convcheck for the maps.
Returns 1 if any of it is not as the table has it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.public_code.plain import Entry, entries
from benchmarks.public_code.record import Truth
from benchmarks.tables import FORMATS, Written, print_table
from benchmarks.torch_sides import named_side

HEAD = ("pair", "style", "truth", "polynomial", "map", "up to, or why", "torch")


def row(entry: Entry, faults: Sequence[str]) -> list[str]:
    """Return the texts of a pair's row."""
    pair = entry.pair
    evidence = "exact" if pair.exact else "within 1e-9"
    if pair.truth is Truth.NONE:
        evidence = f"off by {entry.residual():.0%}"
    elif pair.other is None:
        evidence += ", rank full"
    else:
        evidence += ", two maps"
    why = pair.up_to or pair.note
    polynomial = "yes" if pair.polynomial else "no"
    return [
        pair.name,
        pair.style,
        pair.truth,
        polynomial,
        ", ".join(entry.steps()) or "-",
        why,
        "NO" if faults else evidence,
    ]


def command(entry: Entry) -> str:
    """Return the command line that asks for the map."""
    sides = (named_side(entry.file, text) for text in (entry.pair.reference, entry.pair.candidate))
    options = [word for text in entry.pair.inputs for word in ("-i", text)]
    return shlex.join(["convcheck", "solve", *sides, *options, "--trust"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, then what is not as it has it; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--oracle", action="store_true", help="hold maps against both sides in torch")
    asked.add_argument("--commands", action="store_true", help="print command lines, and run nothing")
    parser.add_argument("--file", action="append", default=[], help="only public_code/pairs_FILE.py; may be repeated")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    chosen = [one for one in entries() if not options.file or one.file.__name__.rpartition("pairs_")[2] in options.file]
    if options.commands:
        print(*map(command, chosen), sep="\n")
        return 0
    faults = {entry.pair.name: entry.faults() for entry in chosen}
    truths = Counter(entry.pair.truth for entry in chosen)
    polynomials = sum(entry.pair.polynomial for entry in chosen)
    counted = ", ".join(f"{count} {truth}" for truth, count in truths.items())
    total = [str(len(chosen)), "", counted, str(polynomials), "", "", f"{sum(not one for one in faults.values())} hold"]
    print_table(Written(HEAD, [row(one, faults[one.pair.name]) for one in chosen], total), options.format)
    print(*(f"{name}: {fault}" for name, reasons in faults.items() for fault in reasons), sep="\n")
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
