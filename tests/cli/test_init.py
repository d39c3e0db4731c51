"""`convcheck init`: what it writes is proved as it stands, and explains itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from convcheck.catalogue.catalogue import applicable, catalogue
from convcheck.cli import scan
from convcheck.layers import parse_layer
from convcheck.models.records import ScanReport
from convcheck.report.starter_config import EXAMPLES

Run = Callable[..., Result]

SHIPPED = Path(__file__).parent.parent.parent / "configs" / "notebook.yaml"

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.stem(x))
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(MODEL)


def cases(file: str = "convcheck.yaml") -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = yaml.safe_load(Path(file).read_text())["cases"]
    return read


WAYS = {
    "nothing": [],
    "a layer": ["Conv2d(3, 4, 4, stride=4)", "-i", "1,3,8,8"],
    "a layer without an input": ["ConvTranspose2d(2, 3, 2, stride=2)"],
    "an operation of several inputs": ["matmul()", "-i", "2,3", "-i", "3,4"],
    "a model": ["model.py:Net()", "-i", "1,3,8,8", "--trust"],
}


@pytest.mark.parametrize("words", WAYS.values(), ids=WAYS)
def test_what_is_written_is_proved_as_it_stands(convcheck: Run, words: list[str]) -> None:
    written = convcheck("init", *words)
    assert written.exit_code == 0
    assert written.stdout == ""
    assert "convcheck verify convcheck.yaml proves it" in written.stderr
    proved = convcheck("verify", "convcheck.yaml")
    assert proved.exit_code == 0, proved.output
    assert "every verdict as expected" in proved.stdout


def test_what_is_printed_is_what_would_be_written(convcheck: Run) -> None:
    convcheck("init")
    assert convcheck("init", "-o", "-").stdout == Path("convcheck.yaml").read_text()


def test_nothing_gives_the_pairs_that_ship_and_explains_every_key_of_a_case(convcheck: Run) -> None:
    convcheck("init")
    (down, up), given = yaml.safe_load(SHIPPED.read_text())["cases"], cases()
    assert [down, up] == given[:2]
    for key in ("layer", "input", "rewrite", "dtype", "expect", "transplant", "verdict", "refused", "matrix", "-k"):
        assert key in EXAMPLES
    comments = [line for line in EXAMPLES.splitlines() if "#" in line]
    assert len(comments) > 10


def test_a_layer_has_the_rewrites_that_hold_and_in_comments_all_others_and_why(convcheck: Run) -> None:
    text = "Conv2d(3, 4, 4, stride=4)"
    convcheck("init", text, "-i", "1,3,8,8")
    (case,) = cases()
    assert parse_layer(case["layer"]) == parse_layer(text)
    assert case["expect"] == {"output": [1, 4, 2, 2]}
    assert set(case["rewrite"]) == set(applicable(parse_layer(text), ((1, 3, 8, 8),)))
    written = Path("convcheck.yaml").read_text()
    assert all(name in written for name in catalogue())
    assert "# - pointwise-linear # kernel_size is (4, 4), and needs to be 1" in written


def test_a_rewrite_that_takes_far_more_than_the_layer_is_a_comment(convcheck: Run) -> None:
    convcheck("init", "Conv2d(3, 768, 16, stride=16)", "-i", "1,3,224,224")
    assert "fft" not in cases()[0]["rewrite"]
    assert "# - fft # holds, and takes" in Path("convcheck.yaml").read_text()


def test_a_model_has_its_layers_as_scan_saves_them(convcheck: Run) -> None:
    convcheck("init", "model.py:Net()", "-i", "1,3,8,8", "--trust")
    convcheck("scan", "model.py:Net()", "-i", "1,3,8,8", "--trust", "--save", "saved.yaml")
    assert cases() == cases("saved.yaml")


@pytest.mark.parametrize("folder", [".", "deep"])
def test_a_config_begins_with_its_schema_where_that_is_and_says_how_to_get_it_where_it_is_not(
    convcheck: Run, folder: str
) -> None:
    Path(folder).mkdir(exist_ok=True)
    file = str(Path(folder) / "a.yaml")
    convcheck("init", "-o", file)
    first, *_ = Path(file).read_text().splitlines()
    assert first == f"# convcheck verify {file}"
    assert "`convcheck schema > convcheck.schema.json`" in Path(file).read_text()
    (Path(folder) / "convcheck.schema.json").write_text(convcheck("schema").stdout)
    convcheck("init", "-o", file, "--overwrite")
    first, *_ = Path(file).read_text().splitlines()
    assert first == "# yaml-language-server: $schema=convcheck.schema.json"
    assert "convcheck schema" not in Path(file).read_text()


REFUSED = {
    "a file that is there": (["-o", "there.yaml"], "'there.yaml' is there already; add --overwrite, or choose another"),
    "a link that leads nowhere": (["-o", "link.yaml"], "'link.yaml' is there already"),
    "a folder": (["-o", "folder", "--overwrite"], "'folder' cannot be written: Is a directory"),
    "no folder": (["-o", "none/a.yaml"], "'none/a.yaml' cannot be written: No such file or directory"),
    "no name": (["-o", ""], "'' cannot be written: No such file or directory"),
    "an input of nothing": (["-i", "1,3,8,8"], "-i goes with a layer or a model: convcheck init LAYER -i SHAPE"),
    "a layer that does not fit": (["Conv2d(3, 4, 4)", "-i", "1,2,8,8"], "channels"),
    "no layer": (["Convv2d(3, 4, 4)"], "'Conv2d'"),
    "a layer without rewrites": (["ReLU()", "-i", "2"], "no rewrite holds for ReLU()"),
    "a model without inputs": (["model.py:Net()", "--trust"], "add -i with the shape of every input"),
    "a model that is not trusted": (["model.py:Net()", "-i", "1,3,8,8"], "--trust"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_the_way_out_and_nothing_is_written(
    convcheck: Run, words: list[str], message: str
) -> None:
    Path("there.yaml").write_text("mine")
    Path("link.yaml").symlink_to("nowhere")
    Path("folder").mkdir()
    before = sorted(path.name for path in Path.cwd().iterdir())
    result = convcheck("init", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert sorted(path.name for path in Path.cwd().iterdir()) == before
    assert Path("there.yaml").read_text() == "mine"


def test_a_model_without_rewrites_is_refused(convcheck: Run) -> None:
    Path("model.py").write_text("from torch import nn\n\nNet = nn.ReLU\n")
    result = convcheck("init", "model.py:Net()", "-i", "1,3", "--trust")
    assert result.exit_code == 2
    assert "no layer of it has rewrites" in result.stderr


def test_what_a_scan_finds_to_be_something_else_is_no_case(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = scan.scanned

    def doubted(*given: Any) -> tuple[ScanReport, list[Exception]]:
        report, faults = scanned(*given)
        (line,) = report.layers
        tried = tuple(replace(one, ok=one.rewrite in trusted) for one in line.rewrites)
        return replace(report, layers=(replace(line, rewrites=tried),)), faults

    monkeypatch.setattr(scan, "scanned", doubted)
    words = ["model.py:Net()", "-i", "1,3,8,8", "--trust"]
    trusted = {"patchify-linear"}
    assert convcheck("init", *words).exit_code == 0
    assert [case["rewrite"] for case in cases()] == [["patchify-linear"]]
    trusted = set()
    result = convcheck("init", *words, "--overwrite")
    assert result.exit_code == 2
    assert "no rewrite of a layer of 'model.py:Net()' is equal; convcheck scan says why" in result.stderr
