"""Rewrites that are wrong at some sizes only, and the smallest sizes at which they are.

    python benchmarks/size_mutants.py --oracle
    python benchmarks/size_mutants.py --oracle --kind tables --format markdown
    python benchmarks/size_mutants.py --convcheck --jobs 2
    python benchmarks/size_mutants.py --commands

Modules are in benchmarks/size_faults. `--oracle` needs torch alone: both sides run in float64 on whole numbers at all
sizes, in order of their sum and then axis by axis, until they differ. `equal`, `differs` and `raises` count all sizes
whose sum is at most two more than that of these or of the given ones. Twins without the fault are held to the same
sizes. `--convcheck` asks for a proof for all sizes of every mutant and twin: a mutant is `smallest` where it is refuted
with the smallest sizes that the oracle finds, `refuted` with other ones at which torch shows the difference, `other
weights` where it does with weights that are as long as they were, and `limited` where it is proved for sizes at which
it is right. `--commands` prints what asks convcheck for all sizes, of mutants and then of twins. Returns 1 if a mutant
differs at the given sizes, agrees at few others or at all, or if a
twin differs anywhere; and if convcheck proves what differs, or refutes what does not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shlex
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import convcheck
from benchmarks.size_faults.plain import Entry, Sizes, entries
from benchmarks.tables import FORMATS, Written, print_table
from benchmarks.torch_sides import named_side
from convcheck.layers import parse_layer
from convcheck.results import SizesProof, SizesStatus

HEAD = ("mutant", "kind", "fault", "agrees at", "differs at", "how", "equal", "differs", "raises", "twin")
JUDGED = ("kind", "pair", "is", "convcheck", "sizes, or what is in the way", "CPU s")
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


def judged(entry: Entry) -> list[str]:
    """Return what convcheck says of a pair: its kind, name, status, how that compares, sizes or obstacle, seconds."""
    start = time.process_time()
    sizes = proof_of(entry)
    seconds = time.process_time() - start
    status, words = str(sizes.status), sizes.obstacle or ""
    if sizes.counterexample is not None:
        found = by_place(entry, sizes.counterexample.sizes)
        words = text(found)
        status = _of_twin(entry, found) if entry.is_mended else compared(entry, found)
    elif sizes.status is SizesStatus.PROVED:
        words = text(sizes.fixed) and f"fixes {text(sizes.fixed)}"
        status = "limited" if not entry.is_mended and counterexample_inside(entry, sizes) is None else status
    return [entry.kind, entry.mutant.name, "twin" if entry.is_mended else "mutant", status, words, f"{seconds:.1f}"]


def proof_of(entry: Entry) -> SizesProof:
    """Return what comes of a proof for all sizes."""
    reference, candidate = entry.sides(entry.given)[0]
    shapes = [[entry.given.get(axis) or int(axis) for axis in axes] for axes in entry.inputs]
    by = {"map_by": getattr(entry.file, entry.mutant.map_by)} if entry.mutant.map_by else {}
    result = convcheck.verify(reference, shapes, candidate=candidate, all_sizes=True, **by)
    return result.sizes


def by_place(entry: Entry, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes of axes of inputs by the mutant's own names; those that convcheck does not vary are as given."""
    reference, first = entry.mutant.reference.format(**entry.given), entry.inputs[0]
    layout = () if ":" in reference else parse_layer(reference).axes(len(first), "i")
    places = {f"input{n or ''}.{axis}": name for n, names in enumerate(entry.inputs) for axis, name in enumerate(names)}
    places |= {f"input0.{axis}": name for axis, name in enumerate(first)} | dict(zip(layout, first, strict=False))
    found = {places[name]: size for name, size in sizes.items() if name in places}
    return {name: found.get(name, size) for name, size in entry.given.items()}


def compared(entry: Entry, found: Mapping[str, int]) -> str:
    """Tell whether a counterexample is one, and of the smallest sum."""
    if not entry.difference(found):
        # Its weights are as long as they were, and those of a mutant are made for its sizes.
        return "other weights"
    smallest = entry.smallest()
    return "smallest" if smallest and sum(smallest.sizes.values()) == sum(found.values()) else "refuted"


def _of_twin(entry: Entry, found: Mapping[str, int]) -> str:
    """Tell whether torch shows that a twin is wrong at larger sizes than the oracle runs."""
    return "wrong there in torch" if entry.difference(found) else "refuted"


def counterexample_inside(entry: Entry, sizes: SizesProof) -> Mapping[str, int] | None:
    """Return sizes inside a proof at which torch shows a difference; None if the smallest such sizes are outside."""
    smallest = entry.smallest()
    if smallest is None:
        return None
    fixed = by_place(entry, sizes.fixed)
    inside = all(smallest.sizes[name] == fixed[name] for name in fixed if fixed[name] == entry.given[name])
    return smallest.sizes if inside and not sizes.fixed else None


def print_judgements(chosen: Sequence[Entry], jobs: int, form: str) -> int:
    """Print what convcheck says of all pairs, then how often; return 1 if a proof or a refutation is wrong."""
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        rows = pool.map(judged_by_name, [(one.mutant.name, one.is_mended) for one in chosen], chunksize=1)
    counts = Counter((row[2], row[3]) for row in rows)
    print_table(Written(JUDGED, rows, ["", "", "", "", "", ""]), form)
    print(*(f"{kind} {status}: {count}" for (kind, status), count in sorted(counts.items())), sep="\n")
    wrong = counts["mutant", "proved"] + counts["twin", "refuted"]
    return int(bool(wrong))


def judged_by_name(which: tuple[str, bool]) -> list[str]:
    """Judge a pair in another process."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    name, is_mended = which
    return judged(next(one for one in entries(mended=is_mended) if one.mutant.name == name))


@torch.no_grad()
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, then what is not as it is by construction; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--oracle", action="store_true", help="run both sides at all sizes in torch")
    asked.add_argument("--convcheck", action="store_true", help="ask convcheck for a proof for all sizes")
    asked.add_argument("--commands", action="store_true", help="print command lines, and run nothing")
    parser.add_argument("--kind", action="append", default=[], help="only size_faults/mutants_KIND.py; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes ask convcheck")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    twins = {id(twin.mutant): twin for twin in entries(mended=True)}
    chosen = [entry for entry in entries() if not options.kind or entry.kind in options.kind]
    if options.commands:
        print(*map(command, [*chosen, *(twins[id(one.mutant)] for one in chosen if id(one.mutant) in twins)]), sep="\n")
        return 0
    if options.convcheck:
        pairs = [*chosen, *(twins[id(one.mutant)] for one in chosen if id(one.mutant) in twins)]
        return print_judgements(pairs, options.jobs, options.format)
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
