"""`--report`: files that are written whole or not at all, and what is refused before anything is run."""

from __future__ import annotations

import json
import os
import stat
import sys
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


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import convcheck.runs as runs

    def never(*_given: object, **_named: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(runs, "run", never)


REFUSED = {
    "an unknown format": (["xml=a.xml"], "unknown format 'xml'; "),
    "a format that is nearly one": (["jnuit=a.xml"], "did you mean 'junit'?"),
    "no path": (["junit"], "a file is missing; it is FORMAT=PATH"),
    "an empty path": (["junit="], "a file is missing"),
    "standard output": (["json=-"], "standard output is for -f"),
    "a folder that is missing": (["json=none/a.json"], "/none'; make it first"),
    "a folder in place of a file": (["json=."], "is a folder; name a file in it"),
    "a file in place of a folder": (["json=file/a.json"], "there is no folder"),
    "a name that is too long": ([f"json={'x' * 300}"], "cannot be written"),
    "a NUL byte": (["json=a\0b"], "cannot be written"),
    "a link to itself": (["json=loop/a.json"], "loop"),
    "one path twice": (["json=a.txt", "html=a.txt"], "two reports would go to 'a.txt'"),
    "one file by two names": (["json=a.txt", "html=./link"], "two reports would go to './link'"),
    "the name of a config": (["json=cases.yaml"], "ends like a config"),
}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_before_anything_is_run(convcheck: Run, folder: Path, words: list[str], said: str) -> None:
    (folder / "file").write_text("")
    (folder / "link").symlink_to("a.txt")
    (folder / "loop").symlink_to("loop")
    before = sorted(folder.iterdir())
    result = convcheck(*LAYER, *(each for word in words for each in ("--report", word)))
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures("nothing_runs")
def test_a_folder_that_cannot_be_written_to_is_refused(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_path: Path, **_named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", read_only)
    result = convcheck(*LAYER, "--report", f"json={folder}/a.json")
    assert result.exit_code == 2
    assert "cannot be written: Read-only file system" in result.stderr


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("words", [["-f", "junit"], ["--report", "junit=a.xml"]], ids=["printed", "in a file"])
def test_a_library_that_is_missing_is_named_with_the_extra(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    # So importlib has it where a module was looked for and is not there.
    monkeypatch.setitem(sys.modules, "junitparser", None)
    result = convcheck(*LAYER, *words)
    assert result.exit_code == 2
    assert "pip install 'convcheck[junit]'" in result.stderr


def test_all_formats_at_once_tell_the_same_run(convcheck: Run, folder: Path) -> None:
    words = [word for format in ("table", *reports.MODULES) for word in ("--report", f"{format}={format}.out")]
    result = convcheck(*LAYER, *words, "-f", "json")
    assert result.exit_code == 0
    assert (folder / "json.out").read_text() == result.stdout
    (line,) = (folder / "jsonl.out").read_text().splitlines()
    assert [json.loads(line)] == json.loads(result.stdout)["results"]
    for format in ("table", *reports.MODULES):
        text = (folder / f"{format}.out").read_text()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


@pytest.mark.parametrize("format", reports.MODULES)
def test_a_file_holds_what_is_printed(convcheck: Run, folder: Path, format: str) -> None:
    result = convcheck(*LAYER, "-f", format, "--report", f"{format}=file.out")
    assert (folder / "file.out").read_text() == result.stdout


def test_a_file_that_is_there_is_replaced_and_keeps_its_rights(convcheck: Run, folder: Path) -> None:
    old = folder / "a.json"
    old.write_text("old")
    old.chmod(0o640)
    with old.open() as reader:
        assert convcheck(*LAYER, "--report", "json=a.json").exit_code == 0
        # Whoever reads the old file goes on reading it.
        assert reader.read() == "old"
    assert json.loads(old.read_text())["ok"] is True
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert [each.name for each in folder.iterdir()] == ["a.json"]


def test_a_new_file_has_the_rights_of_any_new_file(convcheck: Run, folder: Path) -> None:
    convcheck(*LAYER, "--report", "json=a.json")
    (folder / "other").touch()
    assert (folder / "a.json").stat().st_mode == (folder / "other").stat().st_mode


def test_a_link_is_followed(convcheck: Run, folder: Path) -> None:
    (folder / "link.json").symlink_to("a.json")
    convcheck(*LAYER, "--report", "json=link.json")
    assert (folder / "link.json").is_symlink()
    assert json.loads((folder / "a.json").read_text())["ok"] is True


def test_a_device_is_written_to_and_not_replaced(convcheck: Run) -> None:
    assert convcheck(*LAYER, "--report", f"json={os.devnull}").exit_code == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


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


@pytest.mark.parametrize("taken", range(0, 200, 3))
def test_a_summary_is_filled_up_to_what_github_takes(folder: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    from tests.test_formats import TOOL, result

    summary = folder / "summary.md"
    summary.write_text("x" * taken)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr(reports, "LARGEST_SUMMARY", 2000)
    reports.summarise(Report(TOOL, tuple(result(f"case-{index}") for index in range(20))))
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


@pytest.mark.parametrize("command", ["params", "shape", "rewrites"])
def test_a_format_that_is_of_results_only_is_refused_elsewhere(convcheck: Run, command: str) -> None:
    result = convcheck(command, "-f", "junit")
    assert result.exit_code == 2
    assert "'junit' is not one of 'table', 'json'" in " ".join(result.stderr.replace("│", " ").split())
