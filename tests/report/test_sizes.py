"""What the formats say of a proof for all sizes, and the files of certificates."""

from __future__ import annotations

import html as html_module
import json
import xml.etree.ElementTree as ET
from dataclasses import fields, replace

import pytest
from jsonschema import Draft202012Validator

from convcheck.report import result_rows
from convcheck.report.certificates import certificates
from convcheck.report.formats import format_names
from convcheck.report.results_schema import results_schema
from convcheck.report.sizes_words import in_few_words, in_full
from convcheck.results import Report, SizesProof, SizesStatus, Verdict
from tests.report.sample_reports import HOSTILE, MIXED, TOOL, Page, markdown_tables, result, written
from tests.strategies.sizes import LINE, NARROW, PROVED, REFUTED, WORDS

CONTRACT = {"status", "free", "divisible", "fixed", "obstacle", "counterexample", "seconds"}
CONTRACT |= {"raises", "excepted", "probed"}


def report_of(*sizes: SizesProof) -> Report:
    return Report(TOOL, tuple(replace(result(f"case-{number}"), sizes=one) for number, one in enumerate(sizes)))


@pytest.mark.parametrize(("words", "sizes"), WORDS.items(), ids=WORDS)
def test_a_proof_in_a_few_words(words: str, sizes: SizesProof) -> None:
    assert in_few_words(sizes) == words


def test_a_proof_in_full_says_every_number_and_every_line() -> None:
    assert list(in_full(SizesProof())) == []
    assert list(in_full(replace(PROVED, seconds=0.25))) == [
        ("sizes", "proved for b >= 1, i >= 1, o >= 1, h = 2n >= 2, w = 2n >= 2, in 0.25 s"),
        ("raises", "the candidate alone, where h is odd"),
        ("relation", f"reference: {LINE}"),
        ("relation", f"candidate: {LINE}"),
    ]
    assert list(in_full(NARROW)) == [
        ("sizes", "proved for b >= 2, h >= 7, w = 4n >= 8, in 0.00 s"),
        ("fixed", "i=3 o=4: Linear(3, 4) at mine.py:7"),
        ("probed", "b=1; not proved"),
    ]
    assert list(in_full(replace(NARROW, fixed={}, probed=(), excepted="where h mod 3 = 1"))) == [
        ("sizes", "proved for b >= 2, h >= 7, w = 4n >= 8 except where h mod 3 = 1, in 0.00 s"),
    ]
    text = "refuted at b=1 h=31 w=2, output [0, 0, 15, 0]: the candidate reads x[0,0,32,0], in 0.00 s"
    assert list(in_full(REFUTED)) == [("sizes", text)]


@pytest.mark.parametrize("sizes", [SizesProof(), *WORDS.values()])
def test_json_has_the_fields_of_the_contract_and_no_texts_for_people(sizes: SizesProof) -> None:
    report = report_of(sizes)
    (found,) = json.loads(written("json", report))["results"]
    assert found["sizes"].keys() == CONTRACT
    assert json.loads(written("jsonl", report)) == found
    assert {field.name for field in fields(SizesProof)} - CONTRACT == {"relations", "certificate"}
    assert found["sizes"]["status"] == sizes.status
    for name in ("free", "divisible", "fixed", "obstacle"):
        assert found["sizes"][name] == getattr(sizes, name)
    if sizes is REFUTED:
        at, reason = [0, 0, 15, 0], "the candidate reads x[0,0,32,0]"
        assert found["sizes"]["counterexample"] == {"sizes": {"b": 1, "h": 31, "w": 2}, "at": at, "reason": reason}


def test_the_schema_of_results_knows_all_that_a_proof_can_be() -> None:
    schema = results_schema()
    made = json.loads(written("json", report_of(SizesProof(), *WORDS.values())))
    assert Draft202012Validator(schema).is_valid(made)
    assert set(schema["$defs"]["SizesProof"]["required"]) == CONTRACT
    made["results"][0]["sizes"]["status"] = "sure"
    assert not Draft202012Validator(schema).is_valid(made)


@pytest.mark.parametrize("format", sorted({*format_names()} - {"json", "jsonl", "github"}))
def test_formats_for_people_say_it_where_it_was_asked_for(format: str) -> None:
    text = html_module.unescape(written(format, report_of(*WORDS.values())))
    for words in WORDS:
        assert words in text
    assert f"{sum(sizes.status is SizesStatus.PROVED for sizes in WORDS.values())} for all sizes" in text
    unasked = written(format, MIXED)
    assert "for all sizes" not in unasked
    assert ">sizes<" not in unasked
    assert "| sizes |" not in unasked


def test_github_has_the_sum_and_what_is_not_as_expected() -> None:
    assert ", 5 for all sizes, " in written("github", report_of(*WORDS.values()))


def test_a_table_of_markdown_has_a_column_of_sizes_before_the_verdict() -> None:
    (head, *rows), _ = markdown_tables(written("markdown", report_of(*WORDS.values())))
    assert head[-2:] == ["sizes", "verdict"]
    assert [row[-2] for row in rows] == [*WORDS]
    assert head == list(result_rows.headers(report_of(PROVED)))
    # What was refused was never to be proved.
    refused = replace(result("no", Verdict.REFUSED), sizes=SizesProof(SizesStatus.UNKNOWN, obstacle="not tried"))
    assert result_rows.sizes(refused) == "-"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_certificates_have_names_that_are_files_of_one_folder_whatever_a_case_is_called(name: str) -> None:
    cases = [name, name.upper(), name, "x" * 300, "層" * 200, "..", "a/b", ""]
    asked = Report(TOOL, tuple(replace(result(case), sizes=PROVED) for case in cases))
    files = certificates(asked)
    assert len({file.lower() for file in files}) == len(cases)
    for file in files:
        assert not {*file} & {*'/\\:*?"<>|\0'}
        assert file.isprintable()
        assert not file.startswith((".", "-"))
        assert file.endswith(".txt")
        assert len(file.encode()) <= 160
    assert certificates(MIXED) == {}


def test_a_certificate_is_named_for_its_case_and_rewrite() -> None:
    assert certificates(report_of(PROVED, REFUTED)) == {
        "case-0-patchify-linear.txt": "proved\nfor all",
        "case-1-patchify-linear.txt": None,
    }


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_what_code_is_called_stays_one_line_and_one_cell(name: str) -> None:
    """An obstacle holds names and lines of the user's own code."""
    one = replace(result(ok=False), sizes=SizesProof(SizesStatus.UNKNOWN, obstacle=name, fixed={name: 3}))
    assert result_rows.sizes(one).isprintable()
    assert all(text.isprintable() for _, text in result_rows.evidence(one))
    (head, row), _ = markdown_tables(written("markdown", Report(TOOL, (one,))))
    assert len(row) == len(head)
    assert Page(written("html", Report(TOOL, (one,)))).rows() == 1
    assert len(list(ET.fromstring(written("junit", Report(TOOL, (one,)))).iter("testcase"))) == 1
