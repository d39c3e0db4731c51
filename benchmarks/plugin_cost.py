"""What the pytest plugin costs beside `convcheck verify`, and beside a test as a user writes one by hand.

    python benchmarks/plugin_cost.py
    python benchmarks/plugin_cost.py --cases 1000 --runs 5 --page docs/performance.md    # writes the table anew

One config of small cases of mixed kinds is verified by the program and by pytest, which takes every claim for a test.
By hand, the same pairs are one parametrised test: build both layers, move the weights, run both once, and hold the
outputs against each other with `torch.testing.assert_close`, which proves nothing. All are processes of their own, run
in turn, with one thread each; medians of wall time and of the processor's time are compared, start-up included, and
without it, which is less what a single case takes.
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
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import NamedTuple

from benchmarks.sweep_rate import config
from benchmarks.tables import FORMATS, Written, markdown, print_table

MOST = 1.3
"""What the plugin may take, of the program's time."""

MARKERS = "<!-- plugin -->", "<!-- /plugin -->"

VERIFY, PLUGIN, BY_HAND = "`convcheck verify`", "the plugin", "`assert_close`, by hand"

_BY_HAND = '''
"""Layers against their rewrites, by hand."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from torch.nn import Conv1d, Conv2d, ConvTranspose2d

LINE = re.compile(r"name: (\\w+), layer: '(.*?)', input: \\[(.*?)\\], rewrite: ([\\w-]+)")
CASES = [match.groups() for match in LINE.finditer(Path(__file__).with_name("sweep.yaml").read_text())]


def patchify(layer, x):
    k = layer.kernel_size
    flat = nn.Linear(layer.in_channels * (k[0] if len(k) == 1 else k[0] * k[1]), layer.out_channels)
    flat.weight.data.copy_(layer.weight.flatten(1))
    flat.bias.data.copy_(layer.bias)
    if len(k) == 1:
        return rearrange(flat(rearrange(x, "b i (l p) -> b l (i p)", p=k[0])), "b l o -> b o l")
    return rearrange(flat(rearrange(x, "b i (h p) (w q) -> b h w (i p q)", p=k[0], q=k[1])), "b h w o -> b o h w")


def pointwise(layer, x):
    flat = nn.Linear(layer.in_channels, layer.out_channels)
    flat.weight.data.copy_(layer.weight.flatten(1))
    flat.bias.data.copy_(layer.bias)
    return rearrange(flat(rearrange(x, "b i h w -> b h w i")), "b h w o -> b o h w")


def unfold(layer, x):
    columns = F.unfold(x, layer.kernel_size, padding=layer.padding)
    y = layer.weight.flatten(1) @ columns + layer.bias[:, None]
    return y.unflatten(2, x.shape[2:])


def unpatchify(layer, x):
    p, q = layer.kernel_size
    flat = nn.Linear(layer.in_channels, layer.out_channels * p * q)
    flat.weight.data.copy_(layer.weight.flatten(1).T)
    flat.bias.data.copy_(layer.bias.repeat_interleave(p * q))
    return rearrange(flat(rearrange(x, "b i h w -> b h w i")), "b h w (o p q) -> b o (h p) (w q)", p=p, q=q)


REWRITES = {
    "patchify-linear": patchify,
    "pointwise-linear": pointwise,
    "unfold-matmul": unfold,
    "linear-unpatchify": unpatchify,
}


@pytest.mark.parametrize(("layer", "shape", "rewrite"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_equal(layer, shape, rewrite):
    torch.manual_seed(0)
    module = eval(layer)
    x = torch.randn([int(length) for length in shape.split(",")])
    with torch.no_grad():
        torch.testing.assert_close(REWRITES[rewrite](module, x), module(x))
'''


class Run(NamedTuple):
    """What a process took: seconds of wall time and of the processor."""

    wall: float
    processor: float


def run(words: list[str], folder: Path) -> Run:
    """Run a command once, with one thread."""
    top = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": top}
    # Where this is set, all but what was installed with byte code would be compiled in every run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}\n{printed[-2000:].decode()}")
    return Run(wall, used.ru_utime + used.ru_stime)


def commands() -> dict[str, list[str]]:
    """Return what is run in turn, in a folder with the config and the test."""
    registered = any(each.value == "convcheck.pytest_plugin" for each in entry_points(group="pytest11"))
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    pytest += ["-p", "no:hypothesispytest", "-p", "no:cov"]
    return {
        VERIFY: [sys.executable, "-m", "convcheck", "verify", "sweep.yaml"],
        PLUGIN: [*pytest, *([] if registered else ["-p", "convcheck.pytest_plugin"]), "--convcheck", "sweep.yaml"],
        BY_HAND: [*pytest, "-p", "no:convcheck", "test_by_hand.py"],
    }


def measure(cases: int, runs: int) -> dict[str, Run]:
    """Return the medians of all commands on so many cases."""
    taken: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        # The plugin collects what else is a test in its folder.
        folders = {title: Path(name) / str(number) for number, title in enumerate(commands())}
        for folder in folders.values():
            folder.mkdir()
            (folder / "sweep.yaml").write_text(config(cases))
        (folders[BY_HAND] / "test_by_hand.py").write_text(_BY_HAND)
        for _, (title, command) in ((turn, named) for turn in range(runs) for named in commands().items()):
            taken.setdefault(title, []).append(run(command, folders[title]))
    return {title: Run(*map(statistics.median, zip(*each, strict=True))) for title, each in taken.items()}


def main() -> int:
    """Measure, print the table, and return 1 if the plugin takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="how many (1,000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of every command (5)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written")
    options = parser.parse_args()
    alone, medians = measure(1, options.runs), measure(options.cases, options.runs)
    ours = medians[VERIFY]
    rows = []
    for title, taken in medians.items():
        a_case = [(taken.wall - alone[title].wall), (taken.processor - alone[title].processor)]
        rows.append(
            [
                title,
                f"{taken.wall:.2f} s",
                f"{taken.processor:.2f} s",
                f"{taken.wall / ours.wall:.2f}",
                f"{taken.processor / ours.processor:.2f}",
                f"{alone[title].wall:.2f} s",
                f"{1e3 * a_case[0] / options.cases:.2f} ms",
                f"{1e3 * a_case[1] / options.cases:.2f} ms",
            ]
        )
    head = ["program", "wall", "processor", "ratio", "of processor time", "one case", "a case more", "processor"]
    table = Written(head, rows)
    print_table(table, options.format)
    ratio = medians[PLUGIN].wall / ours.wall
    versions = f"Python {platform.python_version()}, torch {version('torch')}, pytest {version('pytest')}"
    under = (
        f"{versions}, {os.cpu_count()} CPUs, one thread each; medians of {options.runs} runs in turn, of "
        f"{options.cases:,} cases."
    )
    print(f"\n{under}\nallowed: {MOST:g}; too slow: {'yes' if ratio > MOST else 'no'}")
    if options.page:
        lines = "\n".join([*markdown(table.head, table.rows), "", under])
        before, _, rest = options.page.read_text().partition(MARKERS[0])
        _, _, after = rest.partition(MARKERS[1])
        options.page.write_text(f"{before}{MARKERS[0]}\n\n{lines}\n\n{MARKERS[1]}{after}")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
