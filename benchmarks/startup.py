"""How long commands take that are to answer at once, beside a Typer program of one command, torch, and a bare script.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 40

Every command is a process of its own. They are run in turn, in another order each time, so that what else the machine
does falls on all of them; medians of wall time are compared. Each is held against what the Typer program takes for the
same: to print one table, to print its help, to complete a word. `convcheck verify` is held against a script that builds
both pairs that ship, moves the weights, runs them once, and prints shapes and largest differences, without any proof.
torchinfo and fvcore stand beside `shape` and `params` where they are installed. The least of all runs is shown, too:
what a command takes where nothing is in its way. All of them find byte code, as an installed program does.
"""

from __future__ import annotations

import argparse
import importlib.util
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

BARE = """
import torch
from einops import rearrange
from torch import nn

down, x = nn.Conv3d(48, 128, (1, 2, 2), stride=(1, 2, 2), bias=False), torch.randn(4, 48, 3, 10, 12)
flat = nn.Conv3d(192, 128, 1, bias=False)
up, y = nn.ConvTranspose3d(128, 48, (1, 2, 2), stride=(1, 2, 2), bias=False), torch.randn(4, 128, 3, 5, 6)
wide = nn.Conv3d(128, 192, 1, bias=False)
with torch.no_grad():
    flat.weight.copy_(rearrange(down.weight, "o i 1 p q -> o (i p q) 1 1 1"))
    wide.weight.copy_(rearrange(up.weight, "i o 1 p q -> (o p q) i 1 1 1"))
    ours = flat(rearrange(x, "b i t (h p) (w q) -> b (i p q) t h w", p=2, q=2))
    print(x.shape, ours.shape, (down(x) - ours).abs().max().item())
    ours = rearrange(wide(y), "b (o p q) t h w -> b o t (h p) (w q)", p=2, q=2)
    print(y.shape, ours.shape, (up(y) - ours).abs().max().item())
"""

LAYER = "Conv2d(3,768,16,stride=16)"

OTHERS = {
    "torchinfo": """
from torch import nn
from torchinfo import summary

print(summary(nn.Conv2d(3, 768, 16, stride=16), (1, 3, 224, 224)))
""",
    "fvcore": """
import torch
from fvcore.nn import FlopCountAnalysis, flop_count_table
from torch import nn

print(flop_count_table(FlopCountAnalysis(nn.Conv2d(3, 768, 16, stride=16), torch.zeros(1, 3, 224, 224))))
""",
}
"""How shapes, parameters and products of the layer are had from other packages, which build and run it."""

TO_TYPER, TO_TORCH, TO_BARE = 1.25, 0.1, 1.15
"""What a command may take at most, of a Typer program's time, of that of importing torch, and of a bare script's."""


@dataclass(frozen=True)
class Program:
    """A command, with what it finds in its environment."""

    words: Sequence[str]
    beside: str | None
    """The name of the program that it is held against; None for one that others are held against."""
    environment: Mapping[str, str] = field(default_factory=dict)
    most: float | None = TO_TYPER
    """What it may take of that one's time; what loads the whole catalogue is only shown."""

    def seconds(self) -> float:
        """Run it once and return the wall time."""
        environment = {**os.environ, **self.environment}
        # Where this is set, all but what was installed with byte code would be compiled in every run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        start = time.perf_counter()
        subprocess.run(self.words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return time.perf_counter() - start


TABLE, HELP, COMPLETION, TORCH = "Typer: a table", "Typer: --help", "Typer: completion", 'python -c "import torch"'
SCRIPT = "a bare script: both pairs"


def completing(program: str, words: str) -> Mapping[str, str]:
    """Return the environment in which a shell asks for completions."""
    return {
        f"_{program.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }


def programs(folder: Path) -> dict[str, Program]:
    """Return all commands by the names that the table gives them."""
    script = folder / "one_command.py"
    script.write_text(ONE_COMMAND)
    typer = [sys.executable, str(script)]
    bare = folder / "bare.py"
    bare.write_text(BARE)
    others = {}
    for name, text in OTHERS.items():
        if importlib.util.find_spec(name):
            (folder / f"with_{name}.py").write_text(text)
            others[f"{name}: the layer"] = Program([sys.executable, str(folder / f"with_{name}.py")], None)
    # As a user starts it; completion goes by the name of the program.
    convcheck = [str(Path(sys.executable).with_name("convcheck"))]
    return {
        TORCH: Program([sys.executable, "-c", "import torch"], None),
        SCRIPT: Program([sys.executable, str(bare)], None),
        "convcheck verify": Program([*convcheck, "verify"], SCRIPT, most=TO_BARE),
        TABLE: Program(typer, None),
        "convcheck shape LAYER": Program([*convcheck, "shape", LAYER, "-i", "1,3,224,224"], TABLE),
        "convcheck shape LAYER, names": Program([*convcheck, "shape", LAYER, "-i", "b,3,H,W"], TABLE),
        "convcheck params LAYER": Program([*convcheck, "params", "Linear(768, 1000)"], TABLE, most=None),
        **others,
        HELP: Program([*typer, "--help"], None),
        "convcheck --help": Program([*convcheck, "--help"], HELP),
        "convcheck shape --help": Program([*convcheck, "shape", "--help"], HELP),
        COMPLETION: Program(typer, None, completing("one_command_py", "one_command.py --si")),
        "completion of a command": Program(convcheck, COMPLETION, completing("convcheck", "convcheck sh")),
        "completion of an option": Program(convcheck, COMPLETION, completing("convcheck", "convcheck shape --o")),
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
    table = Table("command", title=f"wall time of a process, {arguments.runs} runs each, in turn")
    for header in ("median, ms", "least, ms", "ratio", "to torch"):
        table.add_column(header, justify="right")
    slow = []
    for name, program in named:
        ratio = medians[name] / medians[program.beside] if program.beside else None
        to_torch = medians[name] / medians[TORCH]
        table.add_row(
            name,
            f"{1000 * medians[name]:.0f}",
            f"{1000 * min(taken[name]):.0f}",
            "" if ratio is None else f"{ratio:.2f}",
            f"{to_torch:.3f}",
        )
        too_slow = ratio is not None and program.most is not None and ratio > program.most
        if too_slow or (program.most == TO_TYPER and program.beside and to_torch > TO_TORCH):
            slow.append(name)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    allowed = f"{TO_TYPER} of the Typer program, {TO_TORCH} of importing torch; {TO_BARE} of the bare script"
    console.print(f"allowed: {allowed}; too slow: {', '.join(slow) or 'none'}")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
