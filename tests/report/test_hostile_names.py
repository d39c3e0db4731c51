"""No name can be anything but a name, in any format."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from convcheck.errors import escape_line
from convcheck.report import result_rows
from convcheck.report.formats import format_names
from convcheck.results import Report
from tests.report.sample_reports import HOSTILE, TOOL, Page, annotations, hostile, markdown_tables, result, written


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("format", format_names())
def test_a_name_moves_no_cursor_and_adds_no_line(name: str, format: str) -> None:
    # How long a name is may decide on the lines of a heading.
    as_long = "x" * cell_len(escape_line(name))
    text, harmless = written(format, hostile(name)), written(format, hostile(as_long))
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert text.count("\n") == harmless.count("\n")


def test_a_name_stays_whole_in_json(name: str) -> None:
    # Half of a pair is no letter: strict readers refuse it even where JSON spells it out.
    names = [each.case.encode("utf-8", "backslashreplace").decode() for each in hostile(name).results]
    report = json.loads(written("json", hostile(name)))
    assert [each["case"] for each in report["results"]] == names
    assert [json.loads(line)["case"] for line in written("jsonl", hostile(name)).split("\n")] == names


def test_a_name_is_only_a_name_in_xml(name: str) -> None:
    text, harmless = written("junit", hostile(name)), written("junit", hostile("x"))
    document = ET.fromstring(text)
    assert [each.tag for each in document.iter()] == [each.tag for each in ET.fromstring(harmless).iter()]
    names = [each.get("name") for each in document.iter("testcase")]
    assert names == [f"{escape_line(each.case)}[{each.rewrite}]" for each in hostile(name).results]


def test_a_name_is_only_a_name_in_a_command_for_github(name: str) -> None:
    found, harmless = (annotations(written("github", hostile(each))) for each in (name, "x"))
    assert [(kind, told.keys()) for kind, told, _ in found] == [(kind, told.keys()) for kind, told, _ in harmless]
    titles = {told["title"] for _, told, _ in found}
    assert escape_line(f"{name}[patchify-linear]: different") in titles
    # The runner looks for its older commands where a line is none of the newer.
    assert all(line.startswith("::") for line in written("github", hostile(name)).splitlines())


def test_a_name_is_only_a_name_in_markdown(name: str) -> None:
    (_, *rows), kinds = markdown_tables(written("markdown", hostile(name)))
    assert [len(row) for row in rows] == [len(result_rows.HEADERS)] * len(hostile(name).results)
    assert [row[0] for row in rows] == [escape_line(each.case) for each in hostile(name).results]
    assert not {"link_open", "image", "s_open", "em_open", "html_block", "blockquote_open"} & set(kinds)
    _, harmless = markdown_tables(written("markdown", hostile("x")))
    assert [kinds.count(kind) for kind in ("heading_open", "fence", "table_open", "strong_open")] == [
        harmless.count(kind) for kind in ("heading_open", "fence", "table_open", "strong_open")
    ]


def test_markdown_writes_html_that_it_means_only(name: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(written("markdown", hostile(name)))
    tags = {each.content for token in tokens for each in token.children or () if each.type == "html_inline"}
    assert tags <= {"<code>", "</code>", "<sub>", "</sub>"}


def test_a_name_is_only_a_name_in_the_page(name: str) -> None:
    text = written("html", hostile(name))
    page, harmless = Page(text), Page(written("html", hostile("x")))
    assert [(tag, values.keys()) for tag, values in page.tags] == [(tag, each.keys()) for tag, each in harmless.tags]
    assert page.comments == []
    assert page.texts.count(escape_line(name)) == harmless.texts.count("x")


def test_what_a_case_is_called_may_be_as_long_as_it_likes() -> None:
    long = "x" * 100_000
    (_, told, _), _ = annotations(written("github", Report(TOOL, (result(long, ok=False),))))
    assert len(told["title"]) == 255
