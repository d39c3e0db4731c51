"""Rewrites that are wrong at some sizes only, and the smallest sizes at which they are.

    python benchmarks/size_mutants.py --oracle
    python benchmarks/size_mutants.py --oracle --kind tables --format markdown
    python benchmarks/size_mutants.py --commands

Modules are in benchmarks/size_faults. `--oracle` needs torch alone: both sides run in float64 on whole numbers at all
sizes, in order of their sum and then axis by axis, until they differ. `equal`, `differs` and `raises` count all sizes
whose sum is at most two more than that of these or of the given ones. Twins without the fault are held to the same
sizes. `--commands` prints what asks convcheck for all sizes, of mutants and then of twins. Returns 1 if a mutant
differs at the given sizes, agrees at few others or at all, or if a twin differs anywhere.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.size_faults.plain import Entry, Sizes, entries
from benchmarks.tables import FORMATS, Written, print_table
from benchmarks.torch_sides import named_side

HEAD = ("mutant", "kind", "fault", "agrees at", "differs at", "how", "equal", "differs", "raises", "twin")
FURTHER = 2
FEW = 5


def text(sizes: Sizes) -> str:
    """Spell sizes: `b=1 h=31`."""
    return " ".join(f"{axis}={size}" for axis, size in sizes.items())


def oracle(entry: Entry, twin: Entry | None) -> tuple[list[str], list[str]]:
    """Return the row of a mutant, and what is not as it is by construction."""
    name, given = entry.mutant.name, entry.given
    smallest = entry.smallest()
    if smallest is None:
        return [name, entry.kind, entry.mutant.fault, text(given), "nowhere", *"-----"], [f"{name}: differs nowhere"]
    faults = [f"{name}: {given} {reason}" for one in (entry, twin) if one and (reason := one.difference(given)) != ""]
    highest = max(sum(smallest.sizes.values()), sum(given.values())) + FURTHER
    counts = entry.counts(highest)
    if counts.equal < FEW:
        faults.append(f"{name}: agrees at {counts.equal} sizes only")
    agreement = "-"
    if twin:
        of_twin = twin.counts(highest)
        agreement = f"equal at {of_twin.equal}"
        if of_twin.differs or of_twin.equal < counts.equal:
            faults.append(f"{name}: its twin differs: {of_twin}, {twin.smallest()}")
    row = [name, entry.kind, entry.mutant.fault, text(given), text(smallest.sizes), smallest.reason]
    return [*row, *map(str, counts), agreement], faults


def command(entry: Entry) -> str:
    """Return the command line that asks for a proof for all sizes."""
    reference, candidate = (named_side(entry.file, text.format(**entry.given)) for text in entry.texts)
    inputs = [",".join(str(entry.given.get(axis, axis)) for axis in axes) for axes in entry.inputs]
    by = ["--map-by", named_side(entry.file, f":{entry.mutant.map_by}")] if entry.mutant.map_by else []
    options = [word for text in inputs for word in ("-i", text)]
    return shlex.join(
        ["convcheck", "verify", reference, "--candidate", candidate, *options, *by, "--all-sizes", "--trust"]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, then what is not as it is by construction; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--oracle", action="store_true", help="run both sides at all sizes in torch")
    asked.add_argument("--commands", action="store_true", help="print command lines, and run nothing")
    parser.add_argument("--kind", action="append", default=[], help="only size_faults/mutants_KIND.py; may be repeated")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore")
    twins = {id(twin.mutant): twin for twin in entries(mended=True)}
    chosen = [entry for entry in entries() if not options.kind or entry.kind in options.kind]
    if options.commands:
        print(*map(command, [*chosen, *(twins[id(one.mutant)] for one in chosen if id(one.mutant) in twins)]), sep="\n")
        return 0
    results = [oracle(entry, twins.get(id(entry.mutant))) for entry in chosen]
    counted = sum(id(entry.mutant) in twins for entry in chosen)
    distinct = len({entry.mutant.candidate.partition("(")[0] for entry in chosen})
    total = [f"{len(chosen)}", "", f"{distinct} candidates' classes", "", "", "", "", "", "", f"{counted} twins"]
    print_table(Written(HEAD, [row for row, _ in results], total), options.format)
    faults = [fault for _, reasons in results for fault in reasons]
    print(*faults, sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
