"""Tables of shapes and of parameters lose nothing, and JSON says what they say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console
from typer.testing import Result

from convcheck.calculator.counts import alone, weights_of
from convcheck.calculator.figures import BYTES
from convcheck.calculator.shapes import chain, total_of
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.report.tables import parameter_table
from convcheck.report.tables import shape_table as report
from tests.strategies.chains import IMAGES, STEM

Run = Callable[..., Result]


def parsed(result: Result) -> dict[str, list[dict[str, object]]]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, list[dict[str, object]]] = json.loads(result.stdout)
    return found


def rendered(width: int, *, verbose: bool, texts: list[str]) -> str:
    layers = [parse_layer(text) for text in texts]
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    rows = chain(layers, (IMAGES,), explained=True)
    total = total_of(layers, (IMAGES,), rows) if len(rows) > 1 else None
    for renderable in report.shape_tables(rows, total, out, verbose=verbose):
        out.print(renderable, soft_wrap=True)
    claims = claims_of([Case("case", layers[0], (IMAGES,))])
    for renderable in parameter_table.side_tables(list(weights_of(claims)), out, dtype="float32", verbose=verbose):
        out.print(renderable, soft_wrap=True)
    rows = alone(layers, [None] * len(layers))
    for renderable in parameter_table.layer_tables(rows, out, dtype="float32", whole=True):
        out.print(renderable, soft_wrap=True)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("texts", [STEM, STEM[:1]], ids=["a chain", "a layer"])
@pytest.mark.parametrize("verbose", [False, True])
def test_every_word_is_whole_at_every_width(texts: list[str], verbose: bool) -> None:
    wide = rendered(10_000, verbose=verbose, texts=texts)
    for width in (60, 80, 120, 200):
        text = rendered(width, verbose=verbose, texts=texts)
        assert "…" not in text
        assert not {word for word in wide.split() if "─" not in word} - set(text.split())


def test_tables_fit_a_terminal_of_80_columns_but_for_what_is_said_beneath() -> None:
    for verbose in (False, True):
        lines = rendered(80, verbose=verbose, texts=STEM).splitlines()
        beneath = ("FLOPs = ", "field: ", "same start: ", "for the candidate", "fan-in: ", "an output has", "inputs")
        assert max(len(line.rstrip()) for line in lines if not line.startswith(beneath)) <= 80


def test_listed_parameters_of_layers_are_their_own(convcheck: Run) -> None:
    found = parsed(convcheck("params", "Conv2d(3, 64, 3, bias=False)", "BatchNorm2d(64)", "ReLU()", "-f", "json"))
    assert [row["weights"] for row in found["results"]] == [
        {"reference": {"weight": [64, 3, 3, 3]}, "candidate": None},
        {"reference": {"weight": [64], "bias": [64]}, "candidate": None},
        {"reference": {}, "candidate": None},
    ]
    count = 64 * 27 + 128
    assert found["total"] == {"params": count, "bytes": {dtype: count * BYTES[dtype] for dtype in BYTES}}


def test_a_pair_as_json_has_fans_bytes_and_starts(convcheck: Run) -> None:
    words = ["ConvTranspose2d(8, 4, 2, stride=2)", "-r", "linear-unpatchify", "-f", "json"]
    (row,) = parsed(convcheck("params", *words))["results"]
    assert row["same_start"] is False
    assert row["bytes"] == {
        side: {dtype: count * BYTES[dtype] for dtype in BYTES}
        for side, count in (("reference", 132), ("candidate", 144))
    }
    sides = row["parameters"]
    assert isinstance(sides, dict)
    assert sides["reference"][0] == {
        "name": "weight",
        "shape": [8, 4, 2, 2],
        "count": 128,
        "fan_in": 16,
        "fan_out": 32,
        "init": "uniform",
        "bound": 0.25,
        "std": None,
    }
    assert [each["fan_in"] for each in sides["candidate"]] == [8, None]


REFUSES = {
    "an input for several layers' parameters": (
        ["params", "Linear(2, 3)", "ReLU()", "-i", "2,2"],
        "-i is of no use for the parameters of several layers",
    ),
    "a layer that does not fit, within a chain": (
        ["shape", "Sequential(ReLU(), Linear(3, 4))", "-i", "2,2"],
        "layer 2, Linear(in_features=3, out_features=4, bias=True): Linear takes [..., 3]",
    ),
    "a name that no layer has": (["params", "Linear(2, 3)", "ReLU()", "-k", "conv"], "-k 'conv' selects nothing"),
    "a dtype that is none": (["shape", "ReLU()", "-i", "2", "--dtype", "int7"], "int7"),
}


@pytest.mark.parametrize(("words", "message"), REFUSES.values(), ids=REFUSES)
def test_refuses(convcheck: Run, words: list[str], message: str) -> None:
    result = convcheck(*words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_rewrites_asked_for_by_name_are_counted_for_several_layers(convcheck: Run) -> None:
    layers = ["Conv2d(3, 4, 2, stride=2)", "Conv2d(4, 8, 2, stride=2)"]
    found = parsed(convcheck("params", *layers, "-r", "patchify-linear", "-f", "json"))
    assert [row["rewrite"] for row in found["results"]] == ["patchify-linear"] * 2
    assert all(row["same_start"] is True for row in found["results"])
    assert found["total"] is None
