"""How long `convcheck verify --list` takes on long configs, beside PyYAML's C loader on the same file.

    python benchmarks/config_loading.py
    python benchmarks/config_loading.py --cases 10000 --runs 15 --format markdown
    python benchmarks/config_loading.py --page docs/performance.md     # writes the table anew where its markers stand

Both are processes of their own, start-up included, and are run in turn; medians of wall time and of the processor's
time are compared. Beside them stands PyYAML where Python's search for cycles is turned off, which otherwise goes
through all that was loaded again and again. The configs are a sweep as a user writes one: six kinds of layers with
other channels in nearly every case, defaults, inputs as lists and as text, orders and transplants, dtypes in a matrix.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.tables import FORMATS, Written, markdown, print_table

MOST = 2.0
"""What listing may take at most, of PyYAML's time on the file."""

JUDGED = (10_000, 50_000)
"""The numbers of cases for which it counts; of fewer, start-up is most."""

MARKERS = "<!-- configs -->", "<!-- /configs -->"

_LOAD = """
import gc, sys
from pathlib import Path
import yaml
if sys.argv[2:]:
    gc.disable()
yaml.load(Path(sys.argv[1]).read_text(), Loader=yaml.CSafeLoader)
"""

# Of every entry, how many cases it is.
_ENTRIES = (
    (
        1,
        """  - name: embed-{n}
    layer: Conv2d({c}, 64, kernel_size=(4, 4), stride=(4, 4))
    input: [1, {c}, 32, 32]
    rewrite: patchify-linear
    order: kh kw i
""",
    ),
    (
        1,
        """  - name: pointwise-{n}
    layer: Conv2d({c}, 32, kernel_size=1)
    input: "2,{c},9,9"
    rewrite: pointwise-linear
""",
    ),
    (
        2,
        """  - name: linear-{n}-{{dtype}}
    layer: Linear({c}, 20)
    input: 2,5,{c}
    rewrite: linear-as-conv1x1
    matrix: {{dtype: [float64, bfloat16]}}
""",
    ),
    (
        1,
        """  - name: series-{n}
    layer: {{op: Conv1d, in_channels: {c}, out_channels: 8, kernel_size: 3}}
    rewrite: unfold-matmul
""",
    ),
    (
        1,
        """  - name: up-{n}
    layer: ConvTranspose2d({c}, 16, kernel_size=2, stride=2)
    input: 1,{c},7,7
    rewrite: linear-unpatchify
    expect: {{verdict: equal}}
""",
    ),
    (
        1,
        """  - name: channels-last-{n}
    layer: Conv2d({c}, 48, 2, stride=2)
    input: 1,{c},8,8
    rewrite: patchify-linear
    transplant: {{weight: o i kh kw -> o (kh kw i)}}
    expect: {{verdict: different}}
""",
    ),
    (
        1,
        """  - name: any-{n}
    layer: Linear({c}, 12)
""",
    ),
)


def config(cases: int) -> str:
    """Return a config of so many cases, each with a number in its name."""
    return "".join(["defaults: {seed: 1}\ncases:\n", *_entries(cases)])


def _entries(cases: int) -> Iterator[str]:
    number = done = 0
    while done < cases:
        count, text = _ENTRIES[number % len(_ENTRIES)]
        if done + count <= cases:
            # The channels of a sweep: other ones in nearly every case, and no longer text for more cases.
            yield text.format(n=number, c=1 + number // len(_ENTRIES) % 997)
            done += count
        number += 1


class Run(NamedTuple):
    """What a process took: seconds of wall time and of the processor, and bytes at most."""

    wall: float
    processor: float
    peak: int


def run(words: Sequence[str]) -> Run:
    """Run a command once."""
    environment = dict(os.environ)
    # Where this is set, all but what was installed with byte code would be compiled in every run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


PYYAML, PAUSED, LISTED = "PyYAML", "PyYAML, collector off", "convcheck"


def commands(file: str) -> dict[str, list[str]]:
    """Return what is run in turn, by the names of columns."""
    return {
        PYYAML: [sys.executable, "-c", _LOAD, file],
        PAUSED: [sys.executable, "-c", _LOAD, file, "paused"],
        LISTED: [sys.executable, "-m", "convcheck", "verify", "--list", file],
    }


def measure(cases: int, runs: int) -> dict[str, Run]:
    """Return the medians of all commands on a config of so many cases."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        file.write_text(config(cases))
        words = commands(str(file))
        for command in words.values():
            run(command)  # the first run reads files that later ones find in memory
        taken: dict[str, list[Run]] = {name: [] for name in words}
        for _, (name, command) in ((turn, named) for turn in range(runs) for named in words.items()):
            taken[name].append(run(command))
    return {name: Run(*map(statistics.median, zip(*each, strict=True))) for name, each in taken.items()}


def main() -> int:
    """Measure, print the table, and return 1 if listing takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, action="append", help="how many; may be repeated (1,000 10,000 50,000)")
    parser.add_argument("--runs", type=int, default=7, help="runs of every command (7)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written")
    options = parser.parse_args()
    slow, rows = False, []
    for cases in options.cases or (1000, *JUDGED):
        medians = measure(cases, options.runs)
        ours, theirs = medians[LISTED], medians[PYYAML]
        slow |= cases in JUDGED and ours.wall > MOST * theirs.wall
        rows.append(
            [
                f"{cases:,}",
                *(f"{medians[name].wall:.2f} s" for name in (PYYAML, PAUSED, LISTED)),
                f"{ours.wall / theirs.wall:.2f}",
                f"{ours.processor / theirs.processor:.2f}",
                *(f"{medians[name].peak / 2**20:.0f} MiB" for name in (PYYAML, LISTED)),
            ]
        )
    head = ["cases", PYYAML, PAUSED, LISTED, "ratio", "ratio of processor time", f"peak, {PYYAML}", f"peak, {LISTED}"]
    table = Written(head, rows)
    print_table(table, options.format)
    versions = f"Python {platform.python_version()}, PyYAML {yaml.__version__}"
    under = f"{versions}, {os.cpu_count()} CPUs, one thread each; medians of {options.runs} runs in turn."
    print(f"\n{under}\nallowed: {MOST:g}; too slow: {'yes' if slow else 'no'}")
    if options.page:
        lines = "\n".join([*markdown(table.head, table.rows), "", under])
        before, _, rest = options.page.read_text().partition(MARKERS[0])
        _, _, after = rest.partition(MARKERS[1])
        options.page.write_text(f"{before}{MARKERS[0]}\n\n{lines}\n\n{MARKERS[1]}{after}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
