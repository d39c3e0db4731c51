"""`convcheck scan` of a print, and of a checkpoint with a map of its layers: what a run finds, without it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner, Result

import convcheck as package
from convcheck.cli.main import app
from convcheck.models.layer_map import read_layer_map
from convcheck.models.records import ScanReport
from tests.models import nets

Scan = Callable[..., Result]


@pytest.fixture
def scan() -> Scan:
    """Run `scan` in this process, with a text on standard input."""
    runner = CliRunner()
    return lambda text, *words: runner.invoke(app, ["scan", *map(str, words)], input=text)


Lines = dict[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], tuple[object, ...]]
"""What is said, by the paths of layers and of those that are merged into them."""


def lines_of(report: ScanReport) -> Lines:
    """Return what a scan says of every layer and chain, without times."""
    return {
        (line.paths, line.merged): (
            line.layer,
            [list(s) for s in line.inputs],
            line.params,
            [(t.rewrite, t.verdict) for t in line.rewrites],
        )
        for line in report.layers
    }


def printed_lines(result: Result, code: int = 0) -> Lines:
    assert result.exit_code == code, result.output
    return {
        (tuple(line["paths"]), tuple(map(tuple, line["merged"]))): (
            line["layer"],
            line["inputs"],
            line["params"],
            [(one["rewrite"], one["verdict"]) for one in line["rewrites"]],
        )
        for line in json.loads(result.stdout)["layers"]
    }


CHAINS: dict[str, tuple[nn.Sequential, list[int]]] = {
    "a head": (
        nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU(), nn.Dropout(0.1), nn.ConvTranspose2d(8, 2, 2, 2)),
        [1, 4, 5, 5],
    ),
    "chains in a chain": (
        nn.Sequential(
            nn.Sequential(nn.Conv1d(4, 8, 3, padding=1), nn.BatchNorm1d(8)), nn.Identity(), nn.Conv1d(8, 8, 2, 2)
        ),
        [2, 4, 10],
    ),
    "chains of a block": (
        nn.Sequential(
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 6, 3, bias=False),
            nn.Sequential(nn.Dropout(), nn.BatchNorm2d(6)),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.Conv2d(6, 3, 1),
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, 2, 1),
        ),
        [1, 4, 10, 10],
    ),
    "what is flattened": (nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Flatten(), nn.Linear(16, 5)), [2, 3, 4, 4]),
}


@pytest.mark.parametrize(("model", "shape"), CHAINS.values(), ids=CHAINS)
def test_a_printed_chain_has_the_lines_of_the_model_that_is_run(
    scan: Scan, model: nn.Sequential, shape: list[int]
) -> None:
    wanted = lines_of(package.scan(model.eval(), shape))
    text = ",".join(map(str, shape))
    found = printed_lines(scan(str(model), "-", "-i", text, "-f", "json"))
    assert found == wanted


def given(report: ScanReport) -> list[str]:
    """Return the shapes that a scan saw, as they are given for a print."""
    options = []
    for line in report.layers:
        for path in line.paths:
            options += ["-i", f"{path}={','.join(map(str, line.inputs[0]))}"]
    return options


def test_a_printed_model_whose_shapes_are_given_has_the_lines_of_the_run(scan: Scan) -> None:
    model = nets.Net()
    report = package.scan(model, [1, 3, 8, 8])
    assert printed_lines(scan(str(model), "-", *given(report), "-f", "json")) == lines_of(report)


def test_a_checkpoint_with_its_layers_and_shapes_has_the_lines_of_the_run(scan: Scan, tmp_path: Path) -> None:
    model = nets.Net()
    report = package.scan(model, [1, 3, 8, 8])
    save_file(model.state_dict(), tmp_path / "net.safetensors")
    torch.save(model.state_dict(), tmp_path / "net.pt")
    layers = {path: line.layer for line in report.layers for path in line.paths}
    (tmp_path / "layers.json").write_text(json.dumps(layers))
    for file in ("net.safetensors", "net.pt"):
        words = [tmp_path / file, "--layer-map", tmp_path / "layers.json", *given(report)]
        assert printed_lines(scan("", *words, "-f", "json")) == lines_of(report)


MAP = """
patches: {layer: "Conv2d(3, 8, 4, 4)", input: [1, 3, 8, 8]}
"blocks.*.fc1": "Linear(8, 16)"
"""


def test_every_layer_of_a_checkpoint_is_held_against_its_own_weights(scan: Scan, tmp_path: Path) -> None:
    model = nets.Net()
    with torch.no_grad():
        model.blocks[1].fc1.weight[0, 0] = float("nan")
    save_file(model.state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "layers.yaml").write_text(MAP)
    words = [tmp_path / "net.safetensors", "--layer-map", tmp_path / "layers.yaml"]
    words += ["-i", "blocks.*=1,4,8", "-r", "linear-as-conv1x1", "-r", "patchify-linear"]
    done = scan("", *words)
    assert done.exit_code == 1
    assert "blocks.*.fc1 (2)" in done.stdout
    assert re.search(r"✗ different +linear-as-conv1x1\n    blocks\.1\.fc1: ", done.stdout)
    model.blocks[1].fc1.reset_parameters()
    save_file(model.bfloat16().state_dict(), tmp_path / "net.safetensors")
    done = scan("", *words, "-f", "json", "--save", tmp_path / "cases.yaml")
    assert done.exit_code == 0, done.output
    assert "dtype: bfloat16" in (tmp_path / "cases.yaml").read_text()


def test_a_shape_that_is_given_by_name_counts_before_a_pattern_and_both_before_the_map(
    scan: Scan, tmp_path: Path
) -> None:
    save_file(nets.Net().state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "layers.yaml").write_text(MAP.replace('"Linear(8, 16)"', '{layer: "Linear(8, 16)", input: [9, 8]}'))
    words = [tmp_path / "net.safetensors", "--layer-map", tmp_path / "layers.yaml", "-r", "linear-as-conv1x1"]
    words += ["--only", "blocks.*", "-f", "json"]

    def inputs(*shapes: str) -> dict[tuple[str, ...], object]:
        found = printed_lines(scan("", *words, *(word for shape in shapes for word in ("-i", shape))))
        return {paths: line[1] for (paths, _), line in found.items()}

    assert inputs() == {("blocks.0.fc1", "blocks.1.fc1"): [[9, 8]]}
    assert inputs("blocks.1.*=3,8") == {("blocks.0.fc1",): [[9, 8]], ("blocks.1.fc1",): [[3, 8]]}
    assert inputs("blocks.*=3,8", "blocks.1.fc1=5,8") == {("blocks.0.fc1",): [[3, 8]], ("blocks.1.fc1",): [[5, 8]]}


def test_what_a_print_does_not_tell_is_said_line_by_line(scan: Scan) -> None:
    text = """Model(
      (stem): Sequential(
        (0): Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2))
        (1): Gate(8)
        (2): Conv2d(8, 8, kernel_size=(1, 1), stride=(1, 1))
      )
      (blocks): ModuleList(
        (0-1): 2 x Block(
          (fc): Linear(in_features=8, out_features=8, bias=True)
        )
      )
      (wide): Linear(in_features=9, out_features=9, bias=True)
      (attention): MultiheadAttention(
        (out_proj): NonDynamicallyQuantizableLinear(in_features=8, out_features=8, bias=True)
      )
    )"""
    done = scan(text, "-", "-i", "stem=1,3,4,4", "-i", "w*=2,8", "-f", "json")
    lines = {path: line for line in json.loads(done.stdout)["layers"] for path in line["paths"]}
    assert done.exit_code == 0, done.output
    assert lines["stem.0"]["inputs"] == [[1, 3, 4, 4]]
    assert lines["stem.0"]["skipped"] is None
    for path, reason in {
        "stem.2": "what Gate makes of its input is not known",
        "blocks.0.fc": "what Block gives its layers is not printed",
        "blocks.1.fc": "what Block gives its layers is not printed",
        "wide": "would be given [2, 8]: Linear takes",
        "attention": "is printed without the arguments that it was made with",
    }.items():
        assert reason in lines[path]["skipped"], path
        assert lines[path]["rewrites"] == []
    assert "weights are drawn, since a print has none" in done.stdout


def test_the_map_of_the_page_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "models.md"
    (text,) = re.findall(r"```yaml\n# layers.yaml\n((?:.*\n)*?)```", page.read_text("utf-8"))
    (tmp_path / "layers.yaml").write_text(text)
    entries = read_layer_map(str(tmp_path / "layers.yaml"))
    assert [str(entry.layer.kind) for entry in entries.values()] == ["Conv2d", "Linear"]
    assert [entry.shape for entry in entries.values()] == [None, (16, 8)]


def test_no_code_is_imported_and_no_trust_is_needed(scan: Scan, tmp_path: Path) -> None:
    before = set(sys.modules)
    (tmp_path / "planted.py").write_text("raise SystemExit('run')")
    done = scan("Conv2d(3, 8, 4, stride=4)", "-", "-i", "1,3,8,8", "-r", "patchify-linear")
    assert done.exit_code == 0, done.output
    assert "planted" not in set(sys.modules) - before


PRINT = (
    "Model(\n  (a): Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2))\n  (b): Linear(in_features=8, out_features=8)\n)"
)

REFUSED: dict[str, tuple[str, Sequence[str], str]] = {
    "no shape": (PRINT, ["-"], "a print tells no shapes"),
    "a shape of the whole": (PRINT, ["-", "-i", "1,3,4,4"], "write, for example, -i a=1,3,4,4"),
    "two of a chain": ("ReLU()\nTanh()", ["-", "-i", "1,3", "-i", "1,4"], "takes one -i SHAPE"),
    "no such path": (PRINT, ["-", "-i", "c=1,3,4,4"], "-i c=...: there is no such layer; there are: a, b"),
    "no shape at all": (PRINT, ["-", "-i", "a=1,x"], "-i 'a=1,x': '1,x' is not a shape"),
    "a shape that does not fit": (PRINT, ["-", "-i", "a=1,4,4,4"], "-i a=1,4,4,4: Conv2d(3, 8, "),
    "a shape of a module": (f"Outer(\n(m): {PRINT}\n)", ["-", "-i", "m=1,3,4,4"], "is no Sequential, and which of its"),
    "nothing": ("", ["-", "-i", "1,2"], "standard input is empty"),
    "no print": ("hello", ["-", "-i", "1,2"], "'hello' is not a layer"),
    "nothing to rewrite": ("ReLU()", ["-", "-i", "1,2"], "no layer of it has rewrites"),
    "a swap of a print": (PRINT, ["-", "-i", "a=1,3,4,4", "--apply", "o.safetensors"], "--apply swaps layers of code"),
    "a map of a print": (PRINT, ["-", "--layer-map", "{map}"], "a print says what its layers are"),
    "a checkpoint without a map": ("", ["{file}"], "a checkpoint takes --layer-map"),
    "no map": ("", ["{file}", "--layer-map", "nothing.yaml"], "nothing.yaml:1:1: cannot be read"),
    "a map of no layers": ("", ["{file}", "--layer-map", "{empty}"], "is a mapping from places to layers"),
    "a layer that cannot be": ("", ["{file}", "--layer-map", "{broken}"], ":2:1: b: Conv2d: kernel_size is missing"),
    "a layer that is not there": ("", ["{file}", "--layer-map", "{absent}"], "there is no 'c.weight' in '{file}'"),
    "a pattern of nothing": ("", ["{file}", "--layer-map", "{pattern}"], "x.*: nothing in '{file}' matches it"),
    "another layer": (
        "",
        ["{file}", "--layer-map", "{other}"],
        "'a.weight' in '{file}' is [8, 3, 2, 2], and weight of",
    ),
    "a layer without its bias": ("", ["{file}", "--layer-map", "{biased}"], "a.bias in '{file}' is there, and Conv2d"),
    "a shape for two": ("", ["{file}", "--layer-map", "{map}", "-i", "1,3,4,4"], "write -i PATH=SHAPE"),
    "no checkpoint": ("", ["nothing.pt", "--layer-map", "{map}"], "there is no file 'nothing.pt'"),
}

MAPS = {
    "map": "a: Conv2d(3, 8, 2, 2)\nb: Linear(8, 8)",
    "empty": "[]",
    "broken": "a: Conv2d(3, 8, 2, 2)\nb: Conv2d(3, 8)",
    "absent": "c: Linear(8, 8)",
    "pattern": "x.*: Linear(8, 8)",
    "other": "a: Conv2d(4, 8, 2, 2)",
    "biased": "a: Conv2d(3, 8, 2, 2, bias=False)",
}


@pytest.mark.parametrize(("text", "words", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_message_and_exit_code_2(
    scan: Scan, tmp_path: Path, text: str, words: Sequence[str], message: str
) -> None:
    names: dict[str, Any] = {"file": tmp_path / "net.safetensors"}
    model = nn.ModuleDict({"a": nn.Conv2d(3, 8, 2, 2), "b": nn.Linear(8, 8)})
    save_file(model.state_dict(), names["file"])
    for name, written in MAPS.items():
        names[name] = tmp_path / f"{name}.yaml"
        names[name].write_text(written)
    done = scan(text, *(word.format(**names) for word in words))
    assert done.exit_code == 2, done.output
    assert message.format(**names) in done.stderr
    assert done.stdout == ""
