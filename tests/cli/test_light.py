"""What answers from numbers alone never imports torch, what runs layers no compiler: seen in fresh processes."""

import gc
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from convcheck.__main__ import run
from convcheck.cli import main

PROBE = """
import sys
sys.argv = ["convcheck", *{words!r}]
from convcheck.cli.main import main
try:
    main()
except SystemExit as stop:
    code = stop.code
heavy = sorted(sys.modules.keys() & {heavy!r})
print("HEAVY", code or 0, *heavy)
"""

NEVER = {"torch", "numpy", "matplotlib"}

COMPILER = {"sympy", "islpy", "torch._dynamo", "torch._inductor"}

COMMANDS = {
    "--help": (["--help"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "help of a command": (["verify", "--help"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "--version": (["--version"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "shape of a layer": (["shape", "Conv2d(3, 8, 2)", "-i", "1,3,8,8"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "formulas of a layer": (["shape", "ReLU()", "-i", "1", "--explain"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "shape of a print": (["shape", "-", "-i", "1,3,8,8"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "parameters of several layers": (["params", "ReLU()", "Linear(2, 3)"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "an output asked backwards": (
        ["shape", "Conv2d(3, 8, 2)", "Flatten()", "Linear(32, 4)", "--output", "1,4"],
        0,
        NEVER | {"pydantic", "yaml", "einops"},
    ),
    "a padding that would do": (
        ["shape", "Conv2d(3, 8, 3)", "-i", "3,8,8", "--output", "8,8,8"],
        1,
        NEVER | {"pydantic", "yaml", "einops"},
    ),
    "the padding 'same'": (["shape", "Conv2d(3, 8, 3, 2)", "--same"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "sizes of a transposed layer": (
        ["shape", "ConvTranspose2d(3, 8, 3, 2)", "-i", "3,8,8", "--sizes"],
        0,
        NEVER | {"pydantic", "yaml", "einops"},
    ),
    "shape of the config that ships": (["shape"], 0, NEVER),
    "params": (["params", "Conv2d(3, 8, 2, stride=2)"], 0, NEVER | {"pydantic", "yaml"}),
    "params of the config that ships": (["params"], 0, NEVER),
    "figures of what is not there": (["verify", "none.yaml", "--figure", "plots"], 2, NEVER),
    "the figure of an unknown rewrite": (["rewrites", "none", "--figure"], 2, NEVER),
    "rewrites": (["rewrites"], 0, NEVER | {"pydantic", "yaml"}),
    "schema of results": (["schema", "--results", "shape"], 0, NEVER | {"pydantic", "yaml"}),
    "one rewrite": (["rewrites", "patchify-linear"], 0, NEVER | {"pydantic", "yaml"}),
    "code for a layer": (
        ["rewrites", "fold-batchnorm", "Sequential(Conv2d(3, 8, 2), BatchNorm2d(8))"],
        0,
        NEVER | {"pydantic", "yaml"},
    ),
    "rewrites of a layer": (["rewrites", "Conv2d(3, 8, 2)"], 0, NEVER | {"pydantic", "yaml"}),
    "the schema of configs": (["schema"], 0, NEVER),
    "a first config": (["init"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "a first config of a layer": (["init", "Conv2d(3, 8, 2)", "-o", "-"], 0, NEVER),
    "a first config of a model that is not trusted": (["init", "a.py:Net()", "-i", "1,2"], 2, NEVER),
    "a list of names": (["verify", "--list"], 0, NEVER),
    "help of scan": (["scan", "--help"], 0, NEVER | {"pydantic", "yaml", "einops"}),
    "a model that is not trusted": (["scan", "a.py:Net()", "-i", "1,2"], 2, NEVER),
    "a list of what would be timed": (["bench", "--list"], 0, NEVER),
    "a checkpoint that is not there": (
        ["transplant", "a.safetensors", "b.safetensors", "--layer", "Conv2d(3, 8, 2, 2)", "-r", "patchify-linear"],
        2,
        NEVER,
    ),
    "a benchmark of an unknown layer": (["bench", "Conv2d(3)"], 2, NEVER),
    "a shard of them": (["verify", "--list", "--shard", "1/2"], 0, NEVER),
    "a shard that does not exist": (["verify", "--shard", "3/2"], 2, NEVER | {"pydantic", "yaml", "einops"}),
    "a broken config": (["verify", "broken.yaml"], 2, NEVER),
    "a missing file": (["verify", "none.yaml"], 2, NEVER),
    "an unknown layer that torch has": (["shape", "L1Loss()"], 2, NEVER | {"pydantic", "yaml"}),
    "faults for programs": (["verify", "broken.yaml", "-f", "json"], 2, NEVER),
    "foreign YAML": (["shape", "folder"], 2, NEVER | {"pydantic"}),
    "no command": (["Conv2d(3, 8, 2)"], 2, NEVER | {"pydantic", "yaml", "einops"}),
    "a broken layer": (["verify", "Conv2d(3)"], 2, NEVER),
    "code without trust": (["verify", "m.py:F()", "--candidate", "ReLU()", "-i", "2"], 2, NEVER),
    "an unknown rewrite": (["verify", "-r", "none"], 2, NEVER),
    "an unknown option": (["verify", "--none"], 2, NEVER),
    "the pairs that ship": (["verify"], 0, COMPILER | {"matplotlib"}),
    "all evidence": (["verify", "Linear(3, 4)", "-r", "linear-as-conv1x1", "-v"], 0, COMPILER | {"matplotlib"}),
    "a benchmark": (["bench", "ReLU()", "-i", "2"], 1, COMPILER | {"matplotlib"}),
    "all rewrites of a layer": (["verify", "Conv2d(3, 4, 2, stride=2)", "-i", "1,3,4,4"], 0, COMPILER),
}


OF_TYPER = """
import sys, typer
app = typer.Typer()
@app.command()
def main(size: int = 3) -> None: pass
app([], standalone_mode=False)
print(*sys.modules)
"""


@cache
def of_typer() -> set[str]:
    """Return what Typer itself imports to run a command: from 0.29 on, pydantic."""
    done = subprocess.run([sys.executable, "-c", OF_TYPER], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def imported(words: list[str], heavy: set[str], folder: Path) -> str:
    script = PROBE.format(words=words, heavy=heavy - of_typer())
    pasted = "Net(\n  (a): Conv2d(3, 8, 2)\n)"
    done = subprocess.run(
        [sys.executable, "-c", script], input=pasted, capture_output=True, text=True, cwd=folder, check=False
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("words", "code", "heavy"), COMMANDS.values(), ids=COMMANDS.keys())
def test_imports_nothing_heavy(words: list[str], code: int, heavy: set[str], tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("cases: 3\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "docker-compose.yml").write_text("services: {}\n")
    assert imported(words, heavy, tmp_path) == f"HEAVY {code}"


def test_the_probe_sees_torch_where_it_is_needed(tmp_path: Path) -> None:
    assert imported(["verify"], NEVER, tmp_path).startswith("HEAVY 0 numpy torch")


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "pydantic", "rich", "typer", "yaml"}
    script = f"import sys, convcheck; convcheck.ConvcheckError; print(sorted(sys.modules.keys() & {heavy}))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_garbage_is_collected_once_the_program_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a long run drops in cycles, such as tensors in the frames of an exception, does not stay until its end."""
    collecting: list[bool] = []
    monkeypatch.setattr(main, "main", lambda: collecting.append(gc.isenabled()))
    try:
        run()
    finally:
        gc.unfreeze()
        gc.enable()
    assert collecting == [True]
