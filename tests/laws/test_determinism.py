"""The same seed gives the same digits; another number of threads, the same verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def ran(folder: Path, threads: int) -> dict[str, Any]:
    """Run the command line in a process of its own and return its JSON but for the seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "convcheck", "verify", "cases.yaml", "-f", "json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["tool"]["threads"] == threads
    for result in report["results"]:
        assert result.pop("seconds") > 0
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = [
        f'  - {{name: "{name}", layer: "{layer}", input: {shape}, dtype: {dtype}}}'
        for name, layer, shape, dtype in CASES
    ]
    (tmp_path / "cases.yaml").write_text("\n".join(["cases:", *cases]) + WRONG)
    return tmp_path


def test_a_seed_makes_the_digits_and_not_the_number_of_threads_the_verdicts(folder: Path) -> None:
    report = ran(folder, threads=1)
    assert ran(folder, threads=1) == report
    one, two = ({r["reproduce"]: r for r in found["results"]} for found in (report, ran(folder, threads=2)))
    assert len(one) > 20
    for command, result in one.items():
        same = ("verdict", "ok", "suggestion", "exact", "gradients", "output_shape", "params", "macs", "transplant")
        assert {key: result[key] for key in same} == {key: two[command][key] for key in same}
