"""Results are printed when they are known, and point at what to change."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

import convcheck.proof.run as runs
from convcheck.cli import main as program
from convcheck.cli.printer import make_printer
from convcheck.cli.reports import deliver
from convcheck.cli.run_claims import only_verdict
from convcheck.proof.verification import verify
from convcheck.report.result_rows import total_text
from convcheck.results import Finding, Kind, Report, SizesProof, SizesStatus
from tests.report.sample_reports import MIXED

Run = Callable[..., Result]

CONFIG = """\
defaults: {layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear, input: [1, 3, 8, 8]}
cases:
  - name: wrong-weight
    transplant:
      bias: "o -> o"
      weight: "o i kh kw -> o (kh kw i)"
  - name: wrong-number
    expect:
      params: 7
  - {name: refused, layer: "Conv2d(3, 4, 2)"}
  - {name: wrong-order, order: kh kw i, transplant: {weight: "o i kh kw -> o (i kh kw)"}}
  - {name: right}
"""


@pytest.mark.parametrize(("format", "streams"), [("table", True), ("jsonl", True), ("json", False), ("junit", False)])
def test_a_result_is_on_the_screen_before_the_next_claim_begins(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    format: str,
    streams: bool,
) -> None:
    """Where a format needs all results, none is printed before the end."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    seen: list[str] = []

    def observed(claim: object, *given: object) -> object:
        seen.append(capsys.readouterr().out)
        return verify(claim, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "verify", observed)
    monkeypatch.setattr(sys, "argv", ["convcheck", "verify", str(tmp_path / "config.yaml"), "-f", format])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 1
    names = ["wrong-weight", "wrong-number", "refused", "wrong-order"]
    assert [name in before for name, before in zip(names, seen[1:], strict=True)] == [streams] * 4
    if streams:
        assert "different" in seen[1]
        assert "right" not in "".join(seen)


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ((), False),
        (("-q",), False),
        (("-f", "jsonl"), False),
        (("-f", "jsonl", "--report", "json=a.json"), True),
        (("-f", "github"), True),
        (("-f", "json"), True),
    ],
)
def test_of_what_was_printed_the_verdict_alone_is_held_where_no_more_is_needed(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], whole: bool
) -> None:
    """So that memory does not grow with a sweep."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    reports: list[Report] = []

    def observed(report: Report, *others: object) -> bool:
        reports.append(report)
        return deliver(report, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("convcheck.cli.reports.deliver", observed)
    assert convcheck("verify", "config.yaml", *words).exit_code == 1
    (report,) = reports
    assert report.count() == {
        "total": 5, "equal": 2, "different": 2, "refused": 1, "error": 0, "unexpected": 4,
    }  # fmt: skip
    assert [bool(result.case) for result in report.results] == [whole] * 5
    assert (len(set(map(id, report.results))) < 5) is not whole


@pytest.mark.parametrize("status", SizesStatus)
@pytest.mark.parametrize("reason", Kind)
def test_counts_and_exit_codes_are_made_of_what_is_held(status: SizesStatus, reason: Kind) -> None:
    first, *others = MIXED.results
    first = replace(first, sizes=SizesProof(status), reasons=(Finding(reason, "text"),))
    whole = replace(MIXED, results=(first, *others))
    held = replace(whole, results=tuple(map(only_verdict, whole.results)))
    assert (total_text(held), held.ok, held.count()) == (total_text(whole), whole.ok, whole.count())
    assert [result.is_fault for result in held.results] == [result.is_fault for result in whole.results]


def test_a_result_that_is_not_as_expected_points_at_the_key_to_change(convcheck: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    printed = convcheck("verify", config, "-f", "json")
    places = {result["case"]: result["place"] or result["source"] for result in json.loads(printed.stdout)["results"]}
    assert places == {
        "wrong-weight": f"{config}:6",
        "wrong-number": f"{config}:8",
        "refused": f"{config}:10",
        "wrong-order": f"{config}:11",
        "right": f"{config}:12",
    }
    table = convcheck("verify", config).stdout
    assert f"{config}:6: weight was laid out as" in table
    annotations = convcheck("verify", config, "-f", "github").stdout
    assert {int(line) for line in re.findall(r"^::error .*?,line=(\d+)", annotations, re.MULTILINE)} == {6, 8, 10, 11}


def test_only_the_cause_of_a_difference_is_printed_and_its_numbers_behind_an_option(
    convcheck: Run, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    short = convcheck("verify", config, "-k", "wrong-weight").stdout
    assert "matches exactly" in short
    assert "output values differ" not in short
    assert "output values differ" in convcheck("verify", config, "-k", "wrong-weight", "-v").stdout


def test_what_would_match_is_there_to_be_pasted(convcheck: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    table = convcheck("verify", config, "-k", "wrong-weight").stdout
    (line,) = re.findall(r"paste: (transplant: .*)", table)
    config.write_text(f"cases:\n  - {{layer: 'Conv2d(3, 4, 2, stride=2)', rewrite: patchify-linear, {line}}}\n")
    assert convcheck("verify", config).exit_code == 0


@pytest.mark.parametrize(
    ("pattern", "layout", "wrong"),
    [("o i kh kw -> o (kh kw i)", "", "--map"), ("o i kh kw -> o (i kh kw)", "b (h w) o -> b o w h, h=3", "--layout")],
)
def test_on_a_command_line_options_are_there_to_be_pasted(
    convcheck: Run, pattern: str, layout: str, wrong: str
) -> None:
    patches = "rearrange('b i (h p) (w q) -> b {} (i p q)', p=2, q=2)".format("(h w)" if layout else "h w")
    back = [] if layout else ["rearrange('b h w o -> b o h w')"]
    candidate = f"Sequential({', '.join([patches, 'Linear(12, 4)', *back])})"
    command = ["verify", "Conv2d(3, 4, 2, stride=2)", "--candidate", candidate, "-i", "2,3,6,6"]
    given = {"--map": ["--map", f"1.weight=weight: {pattern}", "--map", "1.bias=bias"]}
    given |= {"--layout": ["--layout", layout]} if layout else {}
    (line,) = re.findall("paste: (.*)", convcheck(*command, *given["--map"], *given.get("--layout", [])).stdout)
    pasted = {wrong: shlex.split(line)}
    assert pasted[wrong][0] == wrong
    assert convcheck(*command, *(word for words in (given | pasted).values() for word in words)).exit_code == 0


class Stream(io.StringIO):
    """A stream that is a terminal or none."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("format", "stdout", "stderr", "quiet", "told"),
    [
        pytest.param("json", True, True, False, True, id="of a format that waits for the end"),
        pytest.param("json", False, True, False, True, id="wherever that goes"),
        pytest.param("table", True, True, False, False, id="not of one that is on the screen itself"),
        pytest.param("jsonl", True, True, False, False, id="whichever it is"),
        pytest.param("table", False, True, False, True, id="but of one that goes elsewhere"),
        pytest.param("jsonl", False, True, False, True, id="a line at a time"),
        pytest.param("json", True, False, False, False, id="no one waits where standard error is no terminal"),
        pytest.param("json", True, True, True, False, id="or who wants it quiet"),
    ],
)
def test_who_waits_at_a_terminal_is_told_of_what_is_not_as_expected(
    monkeypatch: pytest.MonkeyPatch, format: str, stdout: bool, stderr: bool, quiet: bool, told: bool
) -> None:
    streams = Stream(terminal=stdout), Stream(terminal=stderr)
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    printer = make_printer(format, ["patchify-linear"], verbose=False, quiet=quiet)
    for one in MIXED.results:
        printer.result(one)
    # A terminal gets a note broken between words.
    notes = " ".join(streams[1].getvalue().split()).split("note: ")[1:]
    wrong = [one for one in MIXED.results if not one.ok]
    assert len(notes) == (len(wrong) if told else 0)
    assert all(f"{one.title}: {one.verdict}" in note for one, note in zip(wrong, notes, strict=False))
