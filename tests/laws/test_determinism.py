"""The same seed gives the same digits; another number of threads, the same verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernels

CASES = (
    ("down", "Conv2d(3, 16, kernel_size=4, stride=4)", [2, 3, 18, 17], "float32"),
    ("wide", "Conv1d(96, 8, kernel_size=5, padding=2)", [1, 96, 40], "bfloat16"),
    ("up", "ConvTranspose2d(4, 3, kernel_size=3, stride=2, padding=1)", [2, 4, 6, 5], "bfloat16"),
    ("attention", "MultiheadAttention(16, 4)", [5, 2, 16], "float32"),
)
WRONG = """
  - name: wrong
    layer: "Conv2d(3, 16, kernel_size=4, stride=4)"
    input: [2, 3, 18, 17]
    rewrite: patchify-linear
    transplant: {weight: "o i kh kw -> o (kh kw i)"}
"""


@lru_cache
def ran(folder: Path, threads: int, turn: int) -> dict[str, Any]:
    """Run the command line and return its JSON but for the seconds. Another `turn` makes it run anew."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "convcheck", "verify", "cases.yaml", "-f", "json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr + str(turn)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["tool"]["threads"] == threads
    for result in report["results"]:
        assert result.pop("seconds") > 0
    return report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("determinism")
    cases = [
        f'  - {{name: "{name}", layer: "{layer}", input: {shape}, dtype: {dtype}}}'
        for name, layer, shape, dtype in CASES
    ]
    (folder / "cases.yaml").write_text("\n".join(["cases:", *cases]) + WRONG)
    return folder


def test_two_runs_with_one_seed_print_the_same_digits(folder: Path) -> None:
    assert ran(folder, 1, 1) == ran(folder, 1, 2)


def test_verdicts_do_not_depend_on_the_number_of_threads(folder: Path) -> None:
    one, two = ({r["reproduce"]: r for r in ran(folder, threads, 1)["results"]} for threads in (1, 2))
    assert len(one) > 20
    for command, result in one.items():
        same = ("verdict", "ok", "suggestion", "exact", "gradients", "output_shape", "params", "macs", "transplant")
        assert {key: result[key] for key in same} == {key: two[command][key] for key in same}
