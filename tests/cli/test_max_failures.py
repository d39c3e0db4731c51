"""A run stops after as many failures as it may have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]

CASE = '  - {{name: {}, layer: "Conv2d(3, 4, 2, stride=2, padding={})", rewrite: patchify-linear}}\n'
CONFIG = "cases:\n" + "".join(CASE.format(*named) for named in (("good", 0), ("bad", 1), ("fine", 0), ("worse", 1)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--max-failures", "1"], ["good", "bad"]),
        (["--max-failures", "2"], ["good", "bad", "fine", "worse"]),
        (["--max-failures", "3"], ["good", "bad", "fine", "worse"]),
        (["-x", "--max-failures", "2"], ["good", "bad"]),
    ],
)
def test_a_run_stops_after_so_many_failures(
    convcheck: Run, tmp_path: Path, words: list[str], expected: list[str]
) -> None:
    (tmp_path / "many.yaml").write_text(CONFIG)
    printed = convcheck("verify", tmp_path / "many.yaml", "-f", "json", *words).stdout
    assert [result["case"] for result in json.loads(printed)["results"]] == expected


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_a_number_of_failures_is_at_least_one(convcheck: Run, number: str) -> None:
    result = convcheck("verify", "--max-failures", number)
    assert result.exit_code == 2
    assert "--max-failures" in result.stderr
