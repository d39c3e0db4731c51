"""What GitHub gets: annotations at a file of the repository, and the summary of a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.cli import reports
from convcheck.results import Report

Run = Callable[..., Result]

LAYER = ("verify", "Conv2d(3, 4, 2, stride=2)", "-i", "1,3,8,8", "-r", "patchify-linear")
BAD = 'cases:\n  - {name: "a|b", layer: "Conv2d(3, 4, 2, stride=2, padding=1)", rewrite: patchify-linear}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


@pytest.mark.parametrize("words", [["-f", "github"], ["--report", "github=a.txt"]], ids=["printed", "in a file"])
def test_the_summary_of_a_step_gets_the_table_below_what_is_there(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (folder / "bad.yaml").write_text(BAD)
    summary = folder / "summary.md"
    summary.write_text("# Before")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert convcheck("verify", "bad.yaml", *words, "--report", "markdown=a.md").exit_code == 1
    first, _, rest = summary.read_text().partition("\n")
    assert first == "# Before"
    assert rest == (folder / "a.md").read_text()


def test_other_formats_leave_the_summary_of_a_step_alone(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    convcheck(*LAYER, "-f", "markdown")
    assert not (folder / "summary.md").exists()


@pytest.mark.parametrize("taken", range(0, 200, 19))
def test_a_summary_is_filled_up_to_what_github_takes(folder: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    from tests.report.sample_reports import TOOL, result

    summary = folder / "summary.md"
    summary.write_text("x" * taken)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr(reports, "LARGEST_SUMMARY", 2000)
    reports.write_summary(Report(TOOL, tuple(result(f"case-{index}") for index in range(20))))
    assert taken < summary.stat().st_size <= 2000
    assert "left out" in summary.read_text()


def test_a_summary_that_is_full_is_left_as_it_is(convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = folder / "summary.md"
    summary.write_text("x" * (reports.LARGEST_SUMMARY - 10))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = convcheck(*LAYER, "-f", "github")
    assert result.exit_code == 0
    assert "is full" in result.stderr
    assert summary.stat().st_size == reports.LARGEST_SUMMARY - 10


def test_a_summary_that_cannot_be_written_is_said_and_changes_no_exit_code(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder))
    result = convcheck(*LAYER, "-f", "github")
    assert result.exit_code == 0
    assert "GITHUB_STEP_SUMMARY cannot be written to: Is a directory" in result.stderr


@pytest.mark.parametrize(("root", "expected"), [(".", "below/bad.yaml"), ("below", "bad.yaml"), ("link", "bad.yaml")])
@pytest.mark.parametrize("absolute", [False, True])
def test_an_annotation_names_the_file_from_the_root_of_the_repository(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, root: str, expected: str, absolute: bool
) -> None:
    (folder / "below").mkdir()
    (folder / "link").symlink_to("below")
    (folder / "below" / "bad.yaml").write_text(BAD)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder / root))
    name = "below/bad.yaml"
    printed = convcheck("verify", folder / name if absolute else name, "-f", "github").stdout
    assert f"::error file={expected},line=2," in printed


@pytest.mark.parametrize("root", [None, "", "elsewhere"])
def test_an_annotation_names_a_file_that_is_in_no_repository_as_it_was_named(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, root: str | None
) -> None:
    (folder / "bad.yaml").write_text(BAD)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    if root is not None:
        monkeypatch.setenv("GITHUB_WORKSPACE", root and str(folder / root))
    assert "::error file=./bad.yaml,line=2," in convcheck("verify", "./bad.yaml", "-f", "github").stdout


def test_an_annotation_is_right_from_a_folder_below_the_root(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "below").mkdir()
    (folder / "bad.yaml").write_text(BAD)
    (folder / "below" / "bad.yaml").write_text(BAD)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    monkeypatch.chdir(folder / "below")
    printed = convcheck("verify", "bad.yaml", "../bad.yaml", "-f", "github").stdout
    assert "::error file=below/bad.yaml,line=2," in printed
    assert "::error file=bad.yaml,line=2," in printed


def test_annotations_are_commands_in_a_workflow(convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bad.yaml").write_text(BAD)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = convcheck("verify", "bad.yaml", "-f", "github").stdout.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::notice"]
