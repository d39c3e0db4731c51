"""How long the commands take that are to answer at once, beside a Typer program that prints one table, and torch.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 40

Every command is a process of its own. They are run in turn, in another order each time, so that what else the machine
does falls on all of them; medians of wall time are compared. The least of all runs is shown, too: what a command takes
where nothing is in its way.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ONE_COMMAND = '''
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer()


@app.command()
def main(name: str = "layer", size: int = 3) -> None:
    """Print a table."""
    table = Table()
    for column in ("layer", "input", "output", "params", "MACs"):
        table.add_column(column)
    table.add_row(name, str([1, size, 224, 224]), str([1, 768, 14, 14]), "590,592", "115,605,504")
    Console(width=200).print(table)


app()
'''

LAYER = "Conv2d(3,768,16,stride=16)"
TO_TYPER, TO_TORCH = 1.25, 0.1
"""What a command may take at most, of a Typer program's time and of that of importing torch."""


@dataclass(frozen=True)
class Program:
    """A command, with what it finds in its environment."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def seconds(self) -> float:
        """Run it once and return the wall time."""
        environment = {**os.environ, **self.environment}
        start = time.perf_counter()
        subprocess.run(self.words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return time.perf_counter() - start


def completing(words: str) -> Mapping[str, str]:
    """Return the environment in which a shell asks for completions."""
    return {
        "_CONVCHECK_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }


def programs(folder: Path) -> dict[str, Program]:
    """Return all commands by the names that the table gives them; the first two are what others are held against."""
    script = folder / "one_command.py"
    script.write_text(ONE_COMMAND)
    # As a user starts it; completion goes by the name of the program.
    convcheck = [str(Path(sys.executable).with_name("convcheck"))]
    return {
        "a Typer program, one table": Program([sys.executable, str(script)]),
        'python -c "import torch"': Program([sys.executable, "-c", "import torch"]),
        "convcheck shape LAYER": Program([*convcheck, "shape", LAYER, "-i", "1,3,224,224"]),
        # "convcheck shape LAYER, with names": Program([*convcheck, "shape", LAYER, "-i", "b,3,H,W"]),
        "convcheck params LAYER": Program([*convcheck, "params", "Linear(768, 1000)"]),
        "convcheck --help": Program([*convcheck, "--help"]),
        "convcheck shape --help": Program([*convcheck, "shape", "--help"]),
        "completion of a command": Program(convcheck, completing("convcheck sh")),
        "completion of an option": Program(convcheck, completing("convcheck shape --o")),
    }


def main() -> int:
    """Measure, print the table, and return 1 if a command takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs of every command (default: 20)")
    arguments = parser.parse_args()
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        named = list(programs(Path(folder)).items())
        for _, program in named:
            program.seconds()  # the first run reads files that later ones find in memory
        shuffled = random.Random(0)
        for _ in range(arguments.runs):
            for name, program in shuffled.sample(named, len(named)):
                taken.setdefault(name, []).append(program.seconds())
    medians = {name: statistics.median(taken[name]) for name, _ in named}
    typer, torch = (medians[name] for name, _ in named[:2])
    table = Table("command", title=f"wall time of a process, {arguments.runs} runs each, in turn")
    for header in ("median, ms", "least, ms", "to Typer", "to torch"):
        table.add_column(header, justify="right")
    slow = []
    for name, median in medians.items():
        table.add_row(
            name,
            f"{1000 * median:.0f}",
            f"{1000 * min(taken[name]):.0f}",
            f"{median / typer:.2f}",
            f"{median / torch:.3f}",
        )
        if name.startswith(("convcheck", "completion")) and (median > TO_TYPER * typer or median > TO_TORCH * torch):
            slow.append(name)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(
        f"allowed: {TO_TYPER} of a Typer program, {TO_TORCH} of importing torch; too slow: {', '.join(slow) or 'none'}"
    )
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
