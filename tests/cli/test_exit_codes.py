"""Every exit code in every format: what is printed never changes how the program ends."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import convcheck.proof.run as runs
from convcheck import api
from convcheck.catalogue import claims
from convcheck.catalogue.claims import Claim
from convcheck.cli import console, report_files
from convcheck.cli import main as program
from convcheck.config.case import Case
from convcheck.errors import UsageError
from convcheck.proof import duration, memory, verification
from convcheck.proof.build_pair import build_pair
from convcheck.proof.pair import Pair
from convcheck.proof.shared import Shared
from convcheck.proof.verification import verify
from convcheck.report.formats import format_names, jsonl
from convcheck.results import Report

FORMATS = format_names()

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
def test_the_exit_code_does_not_depend_on_the_format_and_a_report_holds_what_was_finished(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
    error: BaseException | None,
    code: int,
    format: str,
) -> None:
    if error is not None:
        monkeypatch.setattr(runs, "verify", raising(error))
    assert ends(*words, "-f", format, "--report", f"{format}=report.txt") == code
    printed = capsys.readouterr()
    # What was finished is printed; where nothing can be said of the layers, formats for programs have the faults.
    faults_printed = code == 2 and format in ("github", "json", "jsonl", "junit")
    assert bool(printed.out) is (code != 2 or faults_printed)
    assert ("third" in printed.out) is (code in (1, 3) and format != "github")
    assert ("Traceback" in printed.err) is (code == 3)
    file = tmp_path / "report.txt"
    assert file.exists() is (code != 2)
    assert code == 2 or file.read_text().strip()
    assert not list(tmp_path.glob(".*"))


def test_a_report_of_a_run_that_was_cut_short_never_says_that_all_is_well(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runs, "verify", raising(KeyboardInterrupt()))
    ends("bad.yaml", *(word for format in FORMATS for word in ("--report", f"{format}={format}.txt")))
    said = {format: (tmp_path / f"{format}.txt").read_text() for format in FORMATS}
    found = json.loads(said["json"])
    assert (found["ok"], found["interrupted"], found["untried"]) == (False, True, 2)
    assert [each["case"] for each in found["results"]] == ["first"]
    assert [json.loads(line) for line in said["jsonl"].splitlines()] == found["results"]
    first, rest = ET.fromstring(said["junit"]).iter("testcase")
    assert (first.get("classname"), rest.get("name")) == ("bad.yaml", "not tried")
    assert [(each.tag, each.get("message")) for each in rest] == [("error", "interrupted, 2 not tried")]
    for format in set(FORMATS) - {"json", "jsonl"}:
        assert "interrupted, 2 not tried" in said[format]
        assert "every verdict as expected" not in said[format]


def test_junit_says_without_an_error_how_much_a_run_left_out_that_stopped_itself(
    ends: Callable[..., object], tmp_path: Path
) -> None:
    assert ends("bad.yaml", "-x", "--report", "junit=junit.txt", "--report", "json=json.txt") == 1
    assert json.loads((tmp_path / "json.txt").read_text())["untried"] == 1
    (suite,) = ET.parse(tmp_path / "junit.txt").getroot()
    *_, rest = suite.iter("testcase")
    assert [(each.tag, each.get("message")) for each in rest] == [("skipped", "stopped, 1 not tried")]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip


VERDICTS_FIRST = {
    "every verdict as expected": ("good.yaml", None, 2),
    "a verdict that is not": ("bad.yaml", None, 1),
    "an interrupt": ("bad.yaml", KeyboardInterrupt(), 130),
    "a fault of ours": ("bad.yaml", ZeroDivisionError("planted"), 3),
}


def full(path: Path, data: bytes) -> None:
    if path.name == "a.json":
        raise OSError(28, "No space left on device")
    path.write_bytes(data)


@pytest.mark.parametrize(("config", "error", "code"), VERDICTS_FIRST.values(), ids=VERDICTS_FIRST.keys())
def test_a_file_that_cannot_be_written_is_said_and_hides_nothing_that_is_worse(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    config: str,
    error: BaseException | None,
    code: int,
) -> None:
    monkeypatch.setattr(report_files, "_replace", full)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    if error is not None:
        monkeypatch.setattr(runs, "verify", raising(error))
    assert ends(config, "--report", "json=a.json", "--report", "jsonl=b.jsonl", "-f", "github") == code
    printed = capsys.readouterr()
    assert "error: the report 'a.json' cannot be written: No space left on device\n" in printed.err
    assert json.loads((tmp_path / "b.jsonl").read_text().splitlines()[0])["case"] == "first"
    assert ("planted" in printed.err) is (code == 3)
    if code != 3:
        assert "::notice title=convcheck::" in printed.out
        assert "first" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(("config", "code"), [("good.yaml", 2), ("bad.yaml", 1)])
def test_standard_output_that_cannot_be_written_to_takes_nothing_from_the_files_and_hides_no_mismatch(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    config: str,
    code: int,
) -> None:
    def no_room(_text: str, **_named: object) -> None:
        raise UsageError("cannot write to standard output: No space left on device")

    monkeypatch.setattr(console, "write", no_room)
    monkeypatch.setattr(report_files, "_replace", full)
    assert ends(config, "--report", "json=a.json", "--report", "jsonl=b.jsonl", "-f", "jsonl") == code
    said = capsys.readouterr().err
    assert "cannot write to standard output" in said
    assert "'a.json' cannot be written" in said
    assert (tmp_path / "b.jsonl").read_text()


def test_a_fault_of_ours_in_one_format_takes_nothing_from_the_others(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def planted(_report: Report) -> str:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(jsonl, "render", planted)
    assert ends("good.yaml", "-f", "jsonl", "--report", "jsonl=b.jsonl", "--report", "json=c.json") == 3
    assert "planted" in capsys.readouterr().err
    assert json.loads((tmp_path / "c.json").read_text())["ok"] is True


PLACE = re.compile(
    r"convcheck itself failed, at convcheck/proof/verification\.py:\d+, which says nothing about the layer"
)


def test_a_fault_of_ours_in_one_claim_is_an_error_with_its_place_and_takes_nothing_from_the_others(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def planted(claim: Claim, shared: Shared) -> Pair:
        if claim.case.name == "first":
            raise ValueError("one\x1b[31m\nand another line")
        return build_pair(claim, shared)

    monkeypatch.setattr(verification, "build_pair", planted)
    assert ends("bad.yaml", *(word for format in FORMATS for word in ("--report", f"{format}={format}.txt"))) == 3
    written = {format: (tmp_path / f"{format}.txt").read_text() for format in FORMATS}
    report = json.loads(written["json"])
    assert (report["ok"], report["interrupted"], report["untried"]) == (False, False, 0)
    first = report["results"][0]
    assert [result["verdict"] for result in report["results"]] == ["error", "refused", "equal"]
    assert (first["case"], first["ok"], first["exact"]["status"]) == ("first", False, "not-applicable")
    assert PLACE.match(first["reason"])
    assert first["reason"].endswith(r"layer: ValueError: one\x1b[31m")
    assert report["summary"]["error"] == 1
    assert [json.loads(line) for line in written["jsonl"].splitlines()] == report["results"]
    (error,), *_ = (list(case.iter("error")) for case in ET.fromstring(written["junit"]).iter("testcase"))
    assert PLACE.match(error.get("message") or "")
    for format in FORMATS:
        assert "convcheck itself failed, at convcheck/proof/verification.py:" in written[format]
        assert "Traceback" not in written[format]
        assert "another line" not in written[format]
    printed = capsys.readouterr()
    assert printed.err.count("Traceback") == 1
    assert printed.err.splitlines()[-1].startswith("error: this is a fault of convcheck itself")
    assert "third" in printed.out


def test_the_same_fault_of_many_claims_is_traced_once(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planted(*_: object) -> Pair:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(verification, "build_pair", planted)
    assert ends("bad.yaml", "-f", "json") == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["summary"]["error"] == 2
    assert printed.err.count("Traceback") == 1
    assert ends("bad.yaml", "-f", "json", "-x") == 3
    assert json.loads(capsys.readouterr().out)["untried"] == 2


@pytest.mark.parametrize(("module", "name"), [(memory, "needed"), (duration, "met")], ids=["of memory", "of time"])
def test_an_estimate_that_fails_is_a_fault_of_its_own_claim(
    ends: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: ModuleType,
    name: str,
) -> None:
    right = getattr(memory, name)

    def planted(claim: Claim) -> object:
        return right(claim) if claim.case.name != "first" else 1 // 0

    monkeypatch.setattr(module, name, planted)
    assert ends("bad.yaml", "-f", "json") == 3
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["verdict"] for result in results] == ["error", "refused", "equal"]


def test_from_python_a_fault_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "build_pair", lambda _claim: 1 // 0)
    for call in (api.verify, api.assert_equal):
        with pytest.raises(ZeroDivisionError):
            call("Conv2d(3, 4, 2, stride=2)", rewrite="patchify-linear")


@pytest.mark.parametrize("part", ["_refusals", "too_costly"])
def test_a_fault_of_ours_before_there_is_a_claim_takes_nothing_from_the_others(
    ends: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    whole = getattr(claims, part)

    def planted(case: Case, *others: object) -> object:
        if case.name == "first":
            raise ValueError("planted")
        return whole(case, *others)

    monkeypatch.setattr(claims, part, planted)
    named = ", rewrite: patchify-linear" if part == "_refusals" else ""
    (tmp_path / "two.yaml").write_text(
        f'cases:\n  - {{name: first, layer: "Conv2d(3, 8, 2, stride=2)"{named}}}\n'
        '  - {name: second, layer: "Conv2d(3, 8, 2, stride=2)", rewrite: patchify-linear}\n'
    )
    assert ends("two.yaml", "--report", "json=c.json") == 3
    first, second = json.loads((tmp_path / "c.json").read_text())["results"]
    assert (first["case"], first["verdict"], second["verdict"]) == ("first", "error", "equal")
    assert "convcheck itself failed, at convcheck/" in first["reason"]
