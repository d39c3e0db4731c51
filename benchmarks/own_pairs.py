"""Modules as people write them against their rewrites and faulty twins, and what torch's own comparison says of each.

    python benchmarks/own_pairs.py
    python benchmarks/own_pairs.py --file attention --file norms --format markdown
    python benchmarks/own_pairs.py --transformers
    python benchmarks/own_pairs.py --file patches --commands

Modules are in benchmarks/own_code; both sides hold random weights, the candidate those of the reference, mapped. The
last column is `torch.testing.assert_close` with its defaults, in float32, on one random input. `--transformers` runs
embeddings of that package, where it is installed, against Linears. `--commands` prints what asks the same in a terminal
from the project's folder. Returns 1 if a rewrite is not called equal, or a
twin not different.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import convcheck
from benchmarks.own_code.plain import Entry, entries
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.errors import ConvcheckError
from convcheck.results import Result, Verdict

HEAD = ("pair", "side", "verdict", "correct", "evidence", "seconds", "assert_close")
TRANSFORMERS = "transformers_"
ROOT = Path(__file__).resolve().parents[1]


class Outcome(NamedTuple):
    """What convcheck and torch say of a pair or a twin."""

    entry: Entry
    result: Result | None
    """None where convcheck raised, with its message as the reason."""
    reason: str | None
    seconds: float
    close: bool

    @property
    def correct(self) -> bool:
        """Whether the verdict is the one that the pair has by construction."""
        expected = Verdict.DIFFERENT if self.entry.faulty else Verdict.EQUAL
        return self.result is not None and self.result.verdict is expected

    def row(self) -> list[str]:
        """Return the texts of its row."""
        verdict, evidence = (self.result.verdict, self.result.evidence) if self.result else ("raised", None)
        correct = "yes" if self.correct else "NO"
        close = "passes" if self.close else "fails"
        side = self.entry.pair.fault if self.entry.faulty else "a rewrite"
        return [self.entry.pair.name, side, verdict, correct, evidence or "-", f"{self.seconds:.2f}", close]

    def __str__(self) -> str:
        side = f"twin ({self.entry.pair.fault})" if self.entry.faulty else "rewrite"
        return f"{self.entry.pair.name}, {side}: {self.reason or 'no reason'}"


def outcome(entry: Entry) -> Outcome:
    """Verify a pair or a twin, as its user would in Python: layers as text, and code as modules."""
    modules = [side.to(torch.float32) for side in entry.sides()]
    sides = zip(entry.texts, modules, strict=True)
    reference, candidate = (module if ":" in text else text for text, module in sides)
    pair = entry.pair
    options: dict[str, Any] = {"map": dict(entry.map) or None, "layout": pair.layout}
    # What is not said is not handed over, as in a user's call.
    options |= {name: one for name, one in (("map_by", entry.map_by), ("select", pair.select)) if one is not None}
    plain = all(text.replace(",", "").isdigit() for text in pair.inputs)
    inputs: Any = [[int(size) for size in text.split(",")] for text in pair.inputs] if plain else list(pair.inputs)
    start = time.perf_counter()
    try:
        result: Result | None = convcheck.verify(reference, inputs, candidate=candidate, **options)
        reason = result.reason if result else None
    except (ConvcheckError, TypeError) as error:
        result, reason = None, f"{type(error).__name__}: {error}"
    return Outcome(entry, result, reason, time.perf_counter() - start, assert_close(entry))


def assert_close(entry: Entry) -> bool:
    """Tell whether torch's own comparison, with its defaults, finds no difference in float32."""
    reference, candidate = entry.outputs(torch.float32)
    try:
        torch.testing.assert_close(candidate, reference)
    except AssertionError:
        return False
    return True


def command(entry: Entry) -> str:
    """Return the command line that verifies a pair or a twin."""
    path = Path(entry.file.__file__ or "").relative_to(ROOT)
    reference, candidate = (f"{path}{text}" if text.startswith(":") else text for text in entry.texts)
    maps = [("--map", f"{name}={source}") for name, source in entry.map.items()]
    by = [("--map-by", f"{path}:{entry.map_by.__name__}")] if entry.map_by else []
    others = [(f"--{name}", one) for name, one in entry.pair._asdict().items() if name in ("layout", "select") and one]
    options = [("--candidate", candidate), *(("-i", text) for text in entry.pair.inputs), *maps, *by, *others]
    return shlex.join(["convcheck", "verify", reference, *(word for option in options for word in option), "--trust"])


def total(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the last row: how many are correct, the time of all, and how often torch is correct."""
    kinds = Counter(one.result.evidence or "-" for one in outcomes if one.result)
    evidence = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    of = len(outcomes)
    correct, close = sum(one.correct for one in outcomes), sum(one.close != one.entry.faulty for one in outcomes)
    return ["all", "", "", f"{correct}/{of}", evidence, f"{sum(one.seconds for one in outcomes):.1f}", f"{close}/{of}"]


def chosen(files: Sequence[str]) -> Iterator[Entry]:
    """Yield the pairs and twins of some tables, of all where none is named."""
    for entry in entries():
        if not files or entry.file.__name__.rpartition("pairs_")[2] in files:
            yield entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, then the reasons for what is not as it is by construction; return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--file", action="append", default=[], help="only pairs_FILE.py; may be repeated (default: all)"
    )
    parser.add_argument("--transformers", action="store_true", help="embeddings of the package transformers instead")
    parser.add_argument("--commands", action="store_true", help="print command lines, and verify nothing")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small tensors are not worth more
    warnings.simplefilter("ignore")
    asked = entries(TRANSFORMERS) if options.transformers else list(chosen(options.file))
    if not asked:
        parser.error(f"there are no pairs in {', '.join(options.file)}")
    if options.commands:
        print(*map(command, asked), sep="\n")
        return 0
    outcomes = [outcome(entry) for entry in asked]
    print_table(Written(HEAD, [one.row() for one in outcomes], total(outcomes)), options.format)
    failures = [one for one in outcomes if not one.correct]
    print(*failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
