"""`--all-sizes` on the command line, in configs and in pytest: options, exit codes, files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.all_sizes import proof
from convcheck.results import SizesProof
from tests.strategies.sizes import LONG, PROVED, REFUTED, UNKNOWN

Run = Callable[..., Result]

LAYER = ("verify", "Conv2d(3, 4, 2, stride=2)", "-i", "2,3,8,8")
CONFIG = """\
defaults: {sizes: all, layer: "Conv2d(3, 4, 2, stride=2)", input: [2, 3, 8, 8]}
cases:
  - {name: proved, rewrite: patchify-linear}
  - {name: refuted, rewrite: unfold-matmul, expect: {sizes: refuted}}
  - {name: unknown, rewrite: taps-sum, expect: {sizes: unknown}}
  - {name: not asked, rewrite: unfold-matmul, sizes: null}
"""
ANSWERS = {"patchify-linear": PROVED, "unfold-matmul": REFUTED}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def prove(_both: object, _names: object, _seconds: float, about: Mapping[str, str]) -> SizesProof:
        return ANSWERS.get(about["rewrite"], UNKNOWN)

    monkeypatch.setattr(proof, "prove", prove)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def sizes_of(result: Result) -> dict[str, str]:
    return {one["rewrite"]: one["sizes"]["status"] for one in json.loads(result.stdout)["results"]}


@pytest.mark.parametrize(
    ("rewrites", "code"), [(["patchify-linear"], 0), (["unfold-matmul"], 1), (["taps-sum"], 1), ([], 1)]
)
def test_the_exit_code_says_whether_all_is_proved_that_was_asked_for(
    convcheck: Run, rewrites: list[str], code: int
) -> None:
    words = [word for name in rewrites for word in ("-r", name)]
    asked = convcheck(*LAYER, *words, "--all-sizes", "-f", "json")
    assert asked.exit_code == code
    assert sizes_of(asked) == {name: ANSWERS.get(name, UNKNOWN).status for name in sizes_of(asked)}
    assert json.loads(asked.stdout)["summary"]["unexpected"] == code
    usual = convcheck(*LAYER, *words, "-f", "json")
    assert (usual.exit_code, set(sizes_of(usual).values())) == (0, {"not-asked"})


def test_a_proof_that_contradicts_a_probe_ends_with_3(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "prove", lambda *_: PROVED)
    words = ("verify", "Conv2d(3, 4, 2, stride=2)", "-i", "2,3,8,8", "--all-sizes")
    other = convcheck(*words, "--candidate", "Conv2d(3, 4, 2, stride=2)", "--map", "weight=weight: o i a b -> o i b a")
    assert other.exit_code == 3
    assert "convcheck contradicts itself" in other.stdout
    assert "✗ equal" not in other.stdout


@pytest.mark.parametrize("words", [["--proof-seconds", "5"], ["--report", "certificate=certificates"]])
def test_what_is_about_proofs_needs_one_that_is_asked_for(convcheck: Run, folder: Path, words: list[str]) -> None:
    refused = convcheck(*LAYER, *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "none is asked for; add --all-sizes" in refused.stderr
    (folder / "sizes.yaml").write_text(CONFIG)
    assert convcheck("verify", "sizes.yaml", *words).exit_code == 0


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_bad_usage(convcheck: Run, seconds: str) -> None:
    assert convcheck(*LAYER, "--all-sizes", "--proof-seconds", seconds).exit_code == 2


def test_a_config_asks_for_proofs_and_says_what_is_expected_of_them(convcheck: Run, folder: Path) -> None:
    (folder / "sizes.yaml").write_text(CONFIG)
    read = convcheck("verify", "sizes.yaml", "-f", "json")
    assert read.exit_code == 0
    assert [one["sizes"]["status"] for one in json.loads(read.stdout)["results"]] == [
        "proved", "refuted", "unknown", "not-asked",
    ]  # fmt: skip
    # The option asks for all of them.
    assert convcheck("verify", "sizes.yaml", "--all-sizes").exit_code == 1
    (folder / "sizes.yaml").write_text(CONFIG.replace(", expect: {sizes: refuted}", ""))
    failed = json.loads(convcheck("verify", "sizes.yaml", "-f", "json").stdout)["results"][1]
    assert (failed["verdict"], failed["ok"], failed["place"]) == ("equal", False, "sizes.yaml:1")


def test_without_the_library_one_line_says_so_before_anything_is_run(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "islpy", None)
    (folder / "sizes.yaml").write_text(CONFIG)
    for words in ((*LAYER, "--all-sizes"), ("verify", "sizes.yaml")):
        missing = convcheck(*words)
        assert (missing.exit_code, missing.stdout) == (2, "")
        (line,) = missing.stderr.splitlines()
        assert line.startswith("error: all sizes: islpy is not installed here")
    assert convcheck(*LAYER, "-r", "patchify-linear").exit_code == 0
    assert convcheck("verify", "sizes.yaml", "--list").exit_code == 0


def test_certificates_are_written_a_file_each_and_what_holds_no_longer_is_removed(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*LAYER, "-r", "patchify-linear", "-r", "taps-sum", "--all-sizes", "--report", "certificate=proofs")
    assert convcheck(*words).exit_code == 1
    (file,) = (folder / "proofs").iterdir()
    assert file.name.endswith("-patchify-linear.txt")
    assert file.read_text() == "proved\nfor all\n"
    (folder / "proofs" / "mine.txt").write_text("kept")
    file.write_text("of an earlier run")
    assert convcheck(*words).exit_code == 1
    assert file.read_text() == "proved\nfor all\n"
    monkeypatch.setattr(proof, "prove", lambda *_: LONG)
    assert convcheck(*words).exit_code == 1
    assert [path.name for path in (folder / "proofs").iterdir()] == ["mine.txt"]


def test_a_certificate_that_cannot_be_written_is_said(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove(*_: object) -> SizesProof:
        (folder / "proofs").write_text("in the way")
        return PROVED

    monkeypatch.setattr(proof, "prove", prove)
    words = (*LAYER, "-r", "patchify-linear", "--all-sizes", "--report", "certificate=proofs")
    failed = convcheck(*words)
    assert failed.exit_code == 2
    assert "the certificates in 'proofs' cannot be written" in failed.stderr
