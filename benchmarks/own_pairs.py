"""Modules as people write them against their rewrites and faulty twins, and what torch's own comparison says of each.

    python benchmarks/own_pairs.py
    python benchmarks/own_pairs.py --file attention --file norms --format markdown
    python benchmarks/own_pairs.py --transformers
    python benchmarks/own_pairs.py --file patches --commands
    python benchmarks/own_pairs.py --all-sizes

Modules are in benchmarks/own_code; both sides hold random weights, the candidate those of the reference, mapped. The
last column is `torch.testing.assert_close` with its defaults, in float32, on one random input. Of the seconds,
`exporting` are those of the traces of both sides, `running` those of all runs of them in float32, and `proving` the
rest. `--transformers` runs embeddings of that package, where it is installed, against Linears. `--commands` prints what
asks the same in a terminal from the project's folder. `--all-sizes` prints what is proved for all sizes instead, see
own_sizes.py. Returns 1 if a rewrite is not called equal, or a twin not different.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar
from unittest.mock import patch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import convcheck
from benchmarks.own_code.asked import asked_of
from benchmarks.own_code.plain import Entry, entries
from benchmarks.own_sizes import print_all_sizes
from benchmarks.tables import FORMATS, Written, print_table
from convcheck.proof import traced_pair
from convcheck.proof.user_side import UserSide
from convcheck.results import Result, Verdict
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.tracing.trace import trace

P = ParamSpec("P")
T = TypeVar("T")

HEAD = ("pair", "side", "verdict", "correct", "evidence", "exporting", "proving", "running", "assert_close")
TRANSFORMERS = "transformers_"
ROOT = Path(__file__).resolve().parents[1]


class Seconds(NamedTuple):
    """How long parts of a verification take."""

    exporting: float
    proving: float
    running: float


class Stopwatch:
    """Adds up how long calls of functions take, by a clock."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock, self.seconds = clock, 0.0

    def around(self, function: Callable[P, T], *, only: Callable[P, bool] = lambda *_, **__: True) -> Callable[P, T]:
        """Return a function that does the same, and is timed where `only` holds for its arguments."""

        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            start = self.clock()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += (self.clock() - start) * only(*args, **kwargs)

        return timed


class Outcome(NamedTuple):
    """What convcheck and torch say of a pair or a twin."""

    entry: Entry
    result: Result | None
    """None where convcheck raised, with its message as the reason."""
    reason: str | None
    seconds: Seconds
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
        return [
            self.entry.pair.name,
            side,
            verdict,
            correct,
            evidence or "-",
            *map("{:.2f}".format, self.seconds),
            close,
        ]

    def __str__(self) -> str:
        side = f"twin ({self.entry.pair.fault})" if self.entry.faulty else "rewrite"
        return f"{self.entry.pair.name}, {side}: {self.reason or 'no reason'}"


def outcome(entry: Entry) -> Outcome:
    """Verify a pair or a twin, and time it."""
    reference, inputs, options = asked_of(entry)
    result: Result | None = None
    exporting, running, start = Stopwatch(), Stopwatch(), time.perf_counter()
    with ExitStack() as patches:
        patches.enter_context(patch.object(traced_pair, "trace", exporting.around(trace)))
        for kind in (Side, UserSide):
            patches.enter_context(patch.object(kind, "run", running.around(kind.run, only=is_in_float32)))
        try:
            result = convcheck.verify(reference, inputs, **options)
            reason = result.reason
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
    proving = time.perf_counter() - start - exporting.seconds - running.seconds
    seconds = Seconds(exporting.seconds, proving, running.seconds)
    return Outcome(entry, result, reason, seconds, assert_close(entry))


def is_in_float32(_side: Side, sample: Sample) -> bool:
    """Tell whether a sample has numbers in float32."""
    return any(tensor.dtype == torch.float32 for tensor in sample.tensors().values())


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
    seconds = [f"{sum(column):.1f}" for column in zip(*(one.seconds for one in outcomes), strict=True)]
    return ["all", "", "", f"{correct}/{of}", evidence, *seconds, f"{close}/{of}"]


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
    parser.add_argument("--all-sizes", action="store_true", help="what is proved for all sizes of the pairs' inputs")
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
    if options.all_sizes:
        return print_all_sizes(asked, options.format)
    outcomes = [outcome(entry) for entry in asked]
    print_table(Written(HEAD, [one.row() for one in outcomes], total(outcomes)), options.format)
    failures = [one for one in outcomes if not one.correct]
    print(*failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
