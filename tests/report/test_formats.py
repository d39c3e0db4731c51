"""Every format holds every result."""

from __future__ import annotations

import dataclasses
import html as html_module
import json
import xml.etree.ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml
from markdown_it import MarkdownIt

from convcheck.report import result_rows
from convcheck.report.formats import format_names, github, markdown
from convcheck.results import Finding, Kind, Report, Verdict
from tests.report.sample_reports import MIXED, TOOL, annotations, markdown_tables, result, written


def test_json_lines_are_the_results_of_the_json_object() -> None:
    lines = written("jsonl", MIXED).split("\n")
    assert [json.loads(line) for line in lines] == json.loads(written("json", MIXED))["results"]


def test_no_result_is_no_line_of_json() -> None:
    assert written("jsonl", Report(TOOL, (), True, 3)) == ""


def test_junit_has_a_testcase_a_result_and_counts_as_the_report_does() -> None:
    (suite,) = JUnitXml.fromstring(written("junit", MIXED).encode())
    assert [case.name for case in suite] == [result_rows.title(each) for each in MIXED.results]
    assert (suite.tests, suite.errors, suite.failures) == (7, 1, 3)
    for case, each in zip(suite, MIXED.results, strict=True):
        assert case.classname == "configs/a.yaml"
        assert case.time == each.seconds
        assert [type(one) for one in case.result] == [
            *([] if each.ok else [Error if each.verdict is Verdict.ERROR else Failure])
        ]
        if not each.ok:
            assert case.result[0].message == each.reason
            assert each.reproduce in case.result[0].text


def test_junit_tells_the_evidence_of_every_case() -> None:
    document = ET.fromstring(written("junit", MIXED))
    for case, each in zip(document.iter("testcase"), MIXED.results, strict=True):
        told = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert told["verdict"] == each.verdict
        assert told["reproduce"] == each.reproduce
        assert {"ratio", "bound"} <= told.keys()
        assert each.layer in case.findtext("system-out", "")


def test_a_layer_on_the_command_line_has_a_class_in_junit() -> None:
    alone = Report(TOOL, (dataclasses.replace(result(), source=None),))
    (case,) = ET.fromstring(written("junit", alone)).iter("testcase")
    assert case.get("classname") == "convcheck"


def test_github_is_told_what_is_not_as_expected_at_its_own_line() -> None:
    *errors, notice = annotations(written("github", MIXED))
    assert {kind for kind, _, _ in errors} == {"error"}
    unexpected = {f"{result_rows.title(each)}: {each.verdict}" for each in MIXED.results if not each.ok}
    assert {properties["title"] for _, properties, _ in errors} == unexpected
    assert all((told["file"], told["line"]) == ("configs/a.yaml", "7") for _, told, _ in errors)
    assert all("again: convcheck verify" in message for _, _, message in errors)
    assert notice == ("notice", {"title": "convcheck"}, result_rows.total_text(MIXED))


def test_github_is_told_of_the_worst_ten_and_how_many_more_there_are() -> None:
    many = [result(f"case-{index}", Verdict.DIFFERENT, ok=False, ratio=float(index)) for index in range(25)]
    *errors, (kind, _, message) = annotations(written("github", Report(TOOL, tuple(many))))
    assert [told["title"] for _, told, _ in errors] == [
        f"case-{index}[patchify-linear]: different" for index in range(24, 24 - github.MOST, -1)
    ]
    assert kind == "notice"
    assert f"{25 - github.MOST} more" in message


def test_markdown_has_a_row_a_result_with_the_cells_of_the_terminal() -> None:
    (head, *rows), _ = markdown_tables(written("markdown", MIXED))
    assert head == list(result_rows.HEADERS)
    assert [row[:-1] for row in rows] == [list(result_rows.cells(each)[:-1]) for each in MIXED.results]
    for row, each in zip(rows, MIXED.results, strict=True):
        assert row[-1].startswith(each.verdict)
        assert row[-1].endswith("not as expected") is not each.ok


@pytest.mark.parametrize("most", [1000, 1500, 2000, 3000, 5000, 7000, 10_000, 100_000])
def test_markdown_that_is_too_long_leaves_out_what_is_expected_and_says_so(most: int) -> None:
    report = Report(TOOL, tuple(result(f"層層層層層層層層-{index}", ok=index != 29) for index in range(30)))
    text = markdown.render(report, most)
    assert len(text.encode()) <= most
    assert ("left out" in text) == (text != written("markdown", report))
    (_, first, *_), _ = markdown_tables(text)
    assert first[0] == ("層層層層層層層層-29" if "left out" in text else "層層層層層層層層-0")


SEMICOLON = "torch said: expected 3 channels; got 4"


@pytest.mark.parametrize("format", format_names())
def test_a_reason_with_a_semicolon_stays_one_line(format: str) -> None:
    odd = dataclasses.replace(result(ok=False), reasons=(Finding(Kind.CANNOT_RUN, SEMICOLON),))
    text = html_module.unescape(written(format, Report(TOOL, (odd,))))
    assert SEMICOLON in text


def test_reasons_are_items_beside_their_text_in_json() -> None:
    odd = dataclasses.replace(
        result(ok=False), reasons=(Finding(Kind.CANNOT_RUN, SEMICOLON), Finding(Kind.EXACT, "3 of 4 differ"))
    )
    (found,) = json.loads(written("json", Report(TOOL, (odd,))))["results"]
    assert found["reasons"] == [SEMICOLON, "3 of 4 differ"]
    assert found["reason"] == f"{SEMICOLON}; 3 of 4 differ"


def test_what_is_said_of_a_result_cannot_leave_its_block() -> None:
    said = ["``` x", "````", "~~~", "<b>", "# heading", "| a | b |"]
    odd = dataclasses.replace(result(ok=False), reasons=tuple(Finding(Kind.EXACT, text) for text in said), notes=())
    tokens = MarkdownIt("commonmark", {"html": True}).parse(markdown.render(Report(TOOL, (odd,))))
    (block,) = [token.content for token in tokens if token.type == "fence"]
    assert block.splitlines() == [*said, f"again: {odd.reproduce}"]


@pytest.mark.parametrize("format", ["table", "junit", "github", "markdown", "html"])
def test_a_run_of_nothing_says_that_there_was_nothing_to_try(format: str) -> None:
    nothing = Report(dataclasses.replace(TOOL, device=""), ())
    said = written(format, nothing)
    assert "nothing to try" in said
    assert "every verdict as expected" not in said


def test_a_run_of_nothing_names_no_device() -> None:
    assert result_rows.made_with(Report(TOOL, ())) == "convcheck 0.1, torch 2.13, Python 3.11, on cpu, 2 threads"
    nothing = Report(dataclasses.replace(TOOL, device=""), ())
    assert result_rows.made_with(nothing) == "convcheck 0.1, torch 2.13, Python 3.11, 2 threads"
