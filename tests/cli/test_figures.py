"""`--figure`: a file a case, safe names, and matplotlib only where it is asked for."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from convcheck.cli.figures import Figures
from convcheck.cli.rewrite_figures import draw_rewrite
from convcheck.report import drawing
from tests.report import sample_reports

Run = Callable[..., Result]

CONV = ["Conv2d(3, 4, 2, stride=2)", "-i", "1,3,4,4"]

CASES = """
cases:
  - {name: a/b $x^2$, layer: "Conv2d(3, 4, 2, stride=2)", input: [1, 3, 4, 6], rewrite: [patchify-linear, linear-as-conv1x1]}
  - {name: A b $x^2$, layer: "Conv2d(3, 4, 2, stride=2)", input: [1, 3, 4, 6], rewrite: patchify-linear, dtype: bfloat16}
  - name: é
    layer: Linear(3, 4)
    rewrite: linear-as-conv1x1
    transplant: {weight: "o i -> o i 1 | flip i"}
"""  # noqa: E501

NAMES = {"a-b-x-2-patchify-linear", "A-b-x-2-patchify-linear-2", "linear-as-conv1x1"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_case_has_its_file_and_the_result_names_it(convcheck: Run, tmp_path: Path, jobs: int) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    folder = tmp_path / "new" / "pictures"
    done = convcheck("verify", tmp_path / "cases.yaml", "--figure", folder, "-f", "json", "--jobs", jobs)
    results = json.loads(done.stdout)["results"]
    assert [result["verdict"] for result in results] == ["equal", "refused", "equal", "different"]
    assert {path.stem for path in folder.iterdir()} == NAMES
    assert results[1]["figure"] is None
    named = [Path(result["figure"]) for result in results if result["figure"]]
    assert {*named} == {*folder.iterdir()}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in named)
    assert "picture" not in results[0]
    assert f"3 pictures in {str(folder)!r}"[:20] in done.stderr
    assert "none of a/b $x^2$[linear-as-conv1x1] (refused)" in done.stderr


def test_only_what_is_chosen_is_drawn(convcheck: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = convcheck("verify", *CONV, "-k", "patchify-linear", "--figure", tmp_path, "-v")
    assert [path.name for path in tmp_path.iterdir()] == ["conv2d-3-4-k2-s2-patchify-linear.png"]
    assert f"figure      {tmp_path}" in done.stdout.replace("\n", "")


def test_names_are_safe_and_differ(tmp_path: Path) -> None:
    figures = Figures(tmp_path, keep_spread=False)
    hostile = [*sample_reports.HOSTILE.values(), "../../x", "/", "..", "CON", "a" * 500, "A" * 500, "", "x\ny", "Ωμέγα"]
    names = [figures.name(sample_reports.result(name)) for name in hostile]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and 0 < len(name) < 120 and name.strip("-.") == name for name in names)
    assert not any(set(name) & set('/\\:*?"<>| \n') for name in names)


def test_without_matplotlib_nothing_is_computed(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _name: None)
    for words in (["verify", *CONV], ["rewrites", "fft"]):
        done = convcheck(*words, "--figure", tmp_path / "plots")
        assert done.exit_code == 2
        assert done.stdout == ""
        assert "--figure needs matplotlib, which is not installed; pip install matplotlib\n" in done.stderr
    assert not (tmp_path / "plots").exists()


REFUSED = {
    "a folder that is a file": (["verify", *CONV, "--figure", __file__], "--figure"),
    "a layer": (["rewrites", "Conv2d(3, 4, 2)", "--figure"], "--figure goes with the name of a rewrite alone"),
    "a rewrite of a layer": (["rewrites", "fft", "Conv2d(3, 4, 2)", "--figure"], "--figure goes with the name"),
    "a rewrite that is none": (["rewrites", "none", "--figure"], "unknown rewrite 'none'"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _name: importlib.util.find_spec("json"))
    done = convcheck(*words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_picture_that_cannot_be_written_is_said_and_the_run_goes_on(convcheck: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "conv2d-3-4-k2-s2-patchify-linear.png").mkdir()
    done = convcheck("verify", *CONV, "-r", "patchify-linear", "-r", "taps-sum", "--figure", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.count("cannot be written") == 1
    assert "2 equal" in done.stdout
    assert (tmp_path / "conv2d-3-4-k2-s2-taps-sum.png").is_file()


def test_a_rewrite_is_drawn_where_the_user_is_unless_a_folder_is_named(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert convcheck("rewrites", "pointwise-linear", "--figure").exit_code == 0
    assert convcheck("rewrites", "indexed", "--figure", "there", "-f", "json").exit_code == 0
    assert {path.name for path in tmp_path.rglob("*.png")} == {"pointwise-linear.png", "indexed.png"}
    assert (tmp_path / "there" / "indexed.png").is_file()


@pytest.mark.parametrize("name", ["patchify-linear", "unpatchify-fold", "fold-batchnorm", "fft"])
def test_the_picture_of_a_rewrite_is_small_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert name in catalogue()
    for ending in ("png", "svg"):
        first, again = tmp_path / f"first.{ending}", tmp_path / f"again.{ending}"
        draw_rewrite(name, first)
        draw_rewrite(name, str(again))
        assert first.read_bytes() == again.read_bytes()
    assert (tmp_path / "first.png").stat().st_size < 60_000
