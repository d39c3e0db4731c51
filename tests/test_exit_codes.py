"""Every exit code in every format: what is printed never changes how the program ends."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

import convcheck.runs as runs
from convcheck.cli import main as program
from convcheck.cli import reports
from convcheck.results import Report
from convcheck.verification import verify

FORMATS = ("table", *reports.MODULES)

GOOD = 'cases:\n  - {name: first, layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear}\n'
PADDED = '  - {name: second, layer: "Conv2d(3, 4, 2, stride=2, padding=1)", rewrite: patchify-linear}\n'
ALSO = '  - {name: third, layer: "Conv2d(3, 8, 2, stride=2)", rewrite: patchify-linear}\n'


def raising(error: BaseException) -> Callable[..., object]:
    """Return a verify that raises in the second claim."""

    def stopped(claim: object, *given: object) -> object:
        if claim.case.name == "second":  # type: ignore[attr-defined]
            raise error
        return verify(claim, *given)  # type: ignore[arg-type]

    return stopped


CODES = {
    "every verdict as expected": (["good.yaml"], None, 0),
    "a verdict that is not": (["bad.yaml"], None, 1),
    "a config that cannot be read": (["broken.yaml"], None, 2),
    "a fault of ours": (["bad.yaml"], ZeroDivisionError("planted"), 3),
    "an interrupt": (["bad.yaml"], KeyboardInterrupt(), 130),
}


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run the whole program in this process, and return its exit code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD + PADDED + ALSO)
    (tmp_path / "broken.yaml").write_text("cases: 3\n")

    def run(*words: str) -> object:
        monkeypatch.setattr(sys, "argv", ["convcheck", "verify", *words])
        with pytest.raises(SystemExit) as stop:
            program.main()
        return stop.value.code

    return run


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("words", "error", "code"), CODES.values(), ids=CODES.keys())
def test_the_exit_code_does_not_depend_on_the_format(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    error: BaseException | None,
    code: int,
    format: str,
) -> None:
    if error is not None:
        monkeypatch.setattr(runs, "verify", raising(error))
    assert ends(*words, "-f", format) == code
    printed = capsys.readouterr()
    # What was finished is printed, and where nothing can be said of the layers, nothing is.
    assert bool(printed.out) is (code in (0, 1, 130))
    assert ("third" in printed.out) is (code == 1 and format != "github")
    assert ("Traceback" in printed.err) is (code == 3)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("words", "error", "code"), CODES.values(), ids=CODES.keys())
def test_the_exit_code_does_not_depend_on_reports_and_they_hold_what_was_finished(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    error: BaseException | None,
    code: int,
    format: str,
) -> None:
    if error is not None:
        monkeypatch.setattr(runs, "verify", raising(error))
    assert ends(*words, "--report", f"{format}=report.txt") == code
    file = tmp_path / "report.txt"
    assert file.exists() is (code != 2)
    if code != 2:
        assert file.read_text().strip()
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=["an interrupt", "a fault of ours"])
def test_a_report_of_a_run_that_was_cut_short_never_says_that_all_is_well(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException
) -> None:
    monkeypatch.setattr(runs, "verify", raising(error))
    ends("bad.yaml", *(word for format in FORMATS for word in ("--report", f"{format}={format}.txt")))
    said = {format: (tmp_path / f"{format}.txt").read_text() for format in FORMATS}
    found = json.loads(said["json"])
    assert (found["ok"], found["interrupted"]) == (False, True)
    assert [each["case"] for each in found["results"]] == ["first"]
    assert [json.loads(line) for line in said["jsonl"].splitlines()] == found["results"]
    assert [each.get("classname") for each in ET.fromstring(said["junit"]).iter("testcase")] == ["bad.yaml"]
    for format in set(FORMATS) - {"json", "jsonl"}:
        assert "interrupted, 2 not tried" in said[format]
        assert "every verdict as expected" not in said[format]


def test_a_file_that_cannot_be_written_in_the_end_takes_nothing_from_standard_output(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_path: Path, _content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports, "_write", full)
    assert ends("good.yaml", "--report", "json=a.json", "-f", "jsonl") == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["case"] == "first"
    assert "the report 'a.json' cannot be written: No space left on device" in printed.err


def test_a_fault_of_ours_is_not_hidden_by_a_file_that_cannot_be_written(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_path: Path, _content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports, "_write", full)
    monkeypatch.setattr(runs, "verify", raising(ZeroDivisionError("planted")))
    assert ends("bad.yaml", "--report", "json=a.json") == 3
    said = capsys.readouterr().err
    assert "planted" in said
    assert "cannot be written" in said


def test_a_run_that_breaks_hands_over_what_was_finished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from convcheck.cli import targets

    (tmp_path / "bad.yaml").write_text(GOOD + PADDED)
    monkeypatch.setattr(runs, "verify", raising(ZeroDivisionError()))
    claims = targets.chosen(targets.cases_of([str(tmp_path / "bad.yaml")], None), None, None)
    kept: list[Report] = []
    with pytest.raises(ZeroDivisionError):
        runs.run(claims, rescue=kept.append)
    (report,) = kept
    assert [result.case for result in report.results] == ["first"]
    assert report.untried == 1
    assert not report.ok
