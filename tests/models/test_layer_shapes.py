"""The exact table of a model that is run: rows are the calls that there are, and sums are what torch counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import Result

from convcheck.models.example import read_example
from convcheck.models.layer_shapes import layer_shapes

Run = Callable[..., Result]

CODE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.act = nn.ReLU()
        self.downsample = nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))

    def forward(self, x):
        return self.act(self.act(self.conv(x)) + self.downsample(x))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 4, 3), Block(), nn.Linear(8, 5)
        self.scale = nn.Parameter(torch.ones(5, 2))

    def forward(self, x):
        x = self.block(self.stem(x)).mean((2, 3))
        return self.head(x) @ self.scale
"""


class AsksForValues(nn.Module):
    """A model that looks at its numbers, which fake tensors have not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x) if x.sum().item() > 1e9 else self.second(x)  # type: ignore[no-any-return]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "layer_shapes_net.py"
    path.write_text(CODE, encoding="utf-8")
    return f"{path}:Net()"


def test_branches_are_rows_and_sums_are_torchs(convcheck: Run, model: str) -> None:
    result = convcheck("shape", model, "-i", "1,3,16,16", "--trust", "-f", "json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [(row["name"], row["input"], row["output"]) for row in report["layers"]] == [
        ("stem", [1, 3, 16, 16], [1, 4, 14, 14]),
        ("block.conv", [1, 4, 14, 14], [1, 8, 7, 7]),
        ("block.act", [1, 8, 7, 7], [1, 8, 7, 7]),
        ("block.downsample.0", [1, 4, 14, 14], [1, 8, 7, 7]),
        ("block.downsample.1", [1, 8, 7, 7], [1, 8, 7, 7]),
        ("block.act", [1, 8, 7, 7], [1, 8, 7, 7]),
        ("head", [1, 8], [1, 5]),
    ]
    scope: dict[str, type[nn.Module]] = {}
    exec(CODE, scope)
    net = scope["Net"]().eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 16, 16))
    assert report["total"]["flops"] == counter.get_total_flops()
    assert report["total"]["params"] == sum(parameter.numel() for parameter in net.parameters())
    assert report["notes"] == [
        "the model gives [1, 2]",
        "10 MACs are of functions that forward calls outside of the layers listed",
        "10 parameters are in no layer listed: of modules that hold others, or that are not called",
        "called more than once, with a row for every call: block.act",
    ]


def test_the_table_has_the_model_s_output_and_no_columns_of_nothing(convcheck: Run, model: str) -> None:
    header, _, *_, total = convcheck("shape", model, "-i", "1,3,16,16", "--trust").stdout.splitlines()
    assert header.split() == ["name", "layer", "input", "output", "params", "MACs"]
    assert re.split(" {2,}", total.strip())[:2] == ["total", "[1, 2]"]


def test_nothing_is_computed_where_fake_tensors_are_enough() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # A petabyte of numbers.
            return self.act(x.expand(2**20, 2**25) + 1.0)  # type: ignore[no-any-return]

    (row,), *_ = layer_shapes(Wide(), read_example((1, 1)), "float32")
    assert row.output == (2**20, 2**25)


def test_a_model_that_asks_for_values_is_run() -> None:
    rows, total, *_ = layer_shapes(AsksForValues().eval(), read_example((2, 4)), "float32")
    assert [(row.name, row.output) for row in rows] == [("second", (2, 3))]
    assert total.params == 30


def test_nothing_is_run_without_trust(convcheck: Run, model: str) -> None:
    result = convcheck("shape", model, "-i", "1,3,16,16")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "run only by shape with --trust" in result.stderr


REFUSED = {
    "no input": (["--trust"], "code does not say what it takes"),
    "another target": (["ReLU()", "-i", "1,3,8,8", "--trust"], "ask about it alone"),
    "an input that it cannot take": (["-i", "1,4,8,8", "--trust"], "the model raises"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_told_is_refused(convcheck: Run, model: str, words: list[str], message: str) -> None:
    result = convcheck("shape", model, *words)
    assert result.exit_code == 2
    assert message in result.stderr
