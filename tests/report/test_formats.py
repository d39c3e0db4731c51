"""Every format holds every result, and no name can be anything in it but a name."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from convcheck.cli import reports
from convcheck.report import result_rows
from convcheck.report.formats import github, html, markdown
from convcheck.report.plain import escape_line
from convcheck.results import (
    Agreement,
    Deviation,
    Exact,
    Finding,
    Gradients,
    Kind,
    Report,
    Result,
    Sides,
    Tool,
    Verdict,
)

TOOL = Tool("0.1", "2.13", "3.11", "cpu", 2)


def result(case: str = "stem", verdict: Verdict = Verdict.EQUAL, *, ok: bool = True, ratio: float = 0.25) -> Result:
    if verdict in (Verdict.REFUSED, Verdict.ERROR):
        return Result(
            case, "configs/a.yaml:7", "Conv2d(3, 4, 2)", "fft", ((1, 3, 8, 8),), "float32", "cpu", 0, verdict,
            verdict if ok else Verdict.EQUAL, ok, f"convcheck verify -k '{case}'", 0.5,
            (Finding(Kind.REFUSAL, f"cannot be: {case}"), Finding(Kind.REFUSAL, "and 2")),
        )  # fmt: skip
    same = Agreement.IDENTICAL if verdict is Verdict.EQUAL else Agreement.DIFFERENT
    return Result(
        case=case,
        source="configs/a.yaml:7",
        layer="Conv2d(3, 4, kernel_size=(2, 2), stride=(2, 2))",
        rewrite="patchify-linear",
        input=((1, 3, 8, 8),),
        dtype="float32",
        device="cpu",
        seed=0,
        verdict=verdict,
        expected=verdict if ok else next(each for each in Verdict if each is not verdict),
        ok=ok,
        reproduce=f"convcheck verify -k '{case}'",
        seconds=0.25,
        reasons=()
        if ok and verdict is Verdict.EQUAL
        else (Finding(Kind.ROUNDING, f"weight of {case} is off; torch says so"), Finding(Kind.EXACT, "3 of 4 differ")),
        output_shape=Sides((1, 4, 4, 4), (1, 4, 4, 4)),
        params=Sides(1234, 1234),
        macs=Sides(9, 9),
        exact=Exact(same, 2, 1e-13),
        gradients=Gradients(same, same, same),
        error=Deviation(1e-6, (0, 0, 0, 1), 0.5, 4e-6, ratio, 3.0),
        transplant={"project.weight": "o i kh kw -> o (i kh kw)"},
        notes=(Finding(Kind.STRENGTH, f"{case} is small", weak=True),),
    )


MIXED = Report(
    TOOL,
    (
        result("equal-as-expected"),
        result("different-as-expected", Verdict.DIFFERENT, ratio=3e4),
        result("different", Verdict.DIFFERENT, ok=False, ratio=2e4),
        result("refused-as-expected", Verdict.REFUSED),
        result("refused", Verdict.REFUSED, ok=False),
        result("could-not-run", Verdict.ERROR, ok=False),
        result("equal-where-it-should-not", ok=False),
    ),
)

HOSTILE = {
    "markup of the terminal": "[bold red]x[/] \\[x]",
    "escape codes": "\x1b[31mred\x1b]8;;https://evil.example\x07link\x9b2J",
    "a script": "<script>alert('pwned')</script>",
    "an image that is loaded from elsewhere": "<img src=https://evil.example/x.png onerror=alert(1)>",
    "an end of an attribute": "\"' autofocus onfocus=alert(1) x=\"",
    "an end of a style and a comment": "</style><!-- --></title>",
    "an entity": "&lt;b&gt;&amp;&#124;x",
    "cells of its own": "a | b | **c** | \\| d \\\\| e",
    "a cell of its own": "a|b",
    "what escapes the end of a cell": "a\\",
    "code that ends": "`a` ``b`` ```c``` ~~~",
    "a fence at the start of a line": "x\n```\n# heading",
    "links and mentions": "[a](https://evil.example) ![b](c) @someone #1 :tada: $x$ www.evil.example <https://e.vil>",
    "lines that look like rows": "good\nequal | 1\r\nequal",
    "commands for GitHub": "x\n::error file=a,line=1::pwned\n##[error]pwned ::stop-commands::x",
    "what escapes a command": "100%, 50%25 %0A:,::",
    "what XML cannot hold": "\x00\x01\x08\x0b\x1f\ufffe\uffff]]>",
    "half of a surrogate pair": "\ud800x\udfff",
    "lines that Unicode knows": "a\u2028b\u2029c\x85d\x0cf",
    "text that runs backwards": "abc\u202edef\u2066ghi",
    "spaces around it": "  x  ",
    "letters of all scripts": "größe 層 слой 🙂",
    "a formula of a spreadsheet": "=HYPERLINK(\"https://evil.example\") +1 -1 @SUM(1)",
}  # fmt: skip


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def hostile(name: str) -> Report:
    """Return a report that holds the name in every place, between results that do not."""
    named = [result(name, verdict, ok=ok) for verdict in Verdict for ok in (True, False)]
    return Report(TOOL, (result("first"), *named, result("last", Verdict.DIFFERENT, ok=False)))


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input") and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def rows(self) -> int:
        return sum(tag == "tr" and values.get("class") == "row" for tag, values in self.tags)


def markdown_tables(text: str) -> tuple[list[list[str]], list[str]]:
    """Return the cells of all rows of a Markdown text, as they are read, and the kinds of all that is in it."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            rows[-1].append(_read(token))
    kinds = [each.type for each in tokens] + [each.type for token in tokens for each in token.children or ()]
    return rows, kinds


def _read(token: Token) -> str:
    return "".join(each.content for each in token.children or () if each.type != "html_inline")


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as GitHub's runner does."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        assert match, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        unescaped = {key: _unescaped(value, ":,") for key, value in properties.items()}
        found.append((match[1], unescaped, _unescaped(match[3], "")))
    return found


def _unescaped(text: str, more: str) -> str:
    for letter in "\r\n" + more + "%":
        text = text.replace(f"%{ord(letter):02X}", letter)
    return text


def test_json_lines_are_the_results_of_the_json_object() -> None:
    lines = reports.text("jsonl", MIXED).split("\n")
    assert [json.loads(line) for line in lines] == json.loads(reports.text("json", MIXED))["results"]


def test_no_result_is_no_line_of_json() -> None:
    assert reports.text("jsonl", Report(TOOL, (), True, 3)) == ""


def test_junit_has_a_testcase_a_result_and_counts_as_the_report_does() -> None:
    (suite,) = JUnitXml.fromstring(reports.text("junit", MIXED).encode())
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
    document = ET.fromstring(reports.text("junit", MIXED))
    for case, each in zip(document.iter("testcase"), MIXED.results, strict=True):
        told = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert told["verdict"] == each.verdict
        assert told["reproduce"] == each.reproduce
        assert {"ratio", "bound"} <= told.keys()
        assert each.layer in case.findtext("system-out", "")


def test_a_layer_on_the_command_line_has_a_class_in_junit() -> None:
    alone = Report(TOOL, (dataclasses.replace(result(), source=None),))
    (case,) = ET.fromstring(reports.text("junit", alone)).iter("testcase")
    assert case.get("classname") == "convcheck"


def test_github_is_told_what_is_not_as_expected_at_its_own_line() -> None:
    *errors, notice = annotations(reports.text("github", MIXED))
    assert {kind for kind, _, _ in errors} == {"error"}
    unexpected = {f"{result_rows.title(each)}: {each.verdict}" for each in MIXED.results if not each.ok}
    assert {properties["title"] for _, properties, _ in errors} == unexpected
    assert all((told["file"], told["line"]) == ("configs/a.yaml", "7") for _, told, _ in errors)
    assert all("again: convcheck verify" in message for _, _, message in errors)
    assert notice == ("notice", {"title": "convcheck"}, result_rows.total_text(MIXED))


def test_github_is_told_of_the_worst_ten_and_how_many_more_there_are() -> None:
    many = [result(f"case-{index}", Verdict.DIFFERENT, ok=False, ratio=float(index)) for index in range(25)]
    *errors, (kind, _, message) = annotations(reports.text("github", Report(TOOL, tuple(many))))
    assert [told["title"] for _, told, _ in errors] == [
        f"case-{index}[patchify-linear]: different" for index in range(24, 24 - github.MOST, -1)
    ]
    assert kind == "notice"
    assert f"{25 - github.MOST} more" in message


def test_markdown_has_a_row_a_result_with_the_cells_of_the_terminal() -> None:
    (head, *rows), _ = markdown_tables(reports.text("markdown", MIXED))
    assert head == list(result_rows.HEADERS)
    assert [row[:-1] for row in rows] == [list(result_rows.cells(each)[:-1]) for each in MIXED.results]
    for row, each in zip(rows, MIXED.results, strict=True):
        assert row[-1].startswith(each.verdict)
        assert row[-1].endswith("not as expected") is not each.ok


@pytest.mark.parametrize("most", [1000, 1500, 2000, 3000, 5000, 7000, 10_000, 100_000])
def test_markdown_that_is_too_long_leaves_out_what_is_expected_and_says_so(most: int) -> None:
    report = Report(TOOL, tuple(result(f"層層層層層層層層-{index}", ok=index != 29) for index in range(30)))
    text = markdown.verified(report, most)
    assert len(text.encode()) <= most
    assert ("left out" in text) == (text != reports.text("markdown", report))
    (_, first, *_), _ = markdown_tables(text)
    assert first[0] == ("層層層層層層層層-29" if "left out" in text else "層層層層層層層層-0")


def test_what_is_said_of_a_result_cannot_leave_its_block() -> None:
    said = ["``` x", "````", "~~~", "<b>", "# heading", "| a | b |"]
    odd = dataclasses.replace(result(ok=False), reasons=tuple(Finding(Kind.EXACT, text) for text in said), notes=())
    tokens = MarkdownIt("commonmark", {"html": True}).parse(markdown.verified(Report(TOOL, (odd,))))
    (block,) = [token.content for token in tokens if token.type == "fence"]
    assert block.splitlines() == [*said, f"again: {odd.reproduce}"]


def test_the_page_has_a_row_a_result_with_all_its_evidence() -> None:
    page = Page(reports.text("html", MIXED))
    assert page.rows() == len(MIXED.results)
    texts = set(page.texts)
    for each in MIXED.results:
        assert {*result_rows.cells(each)[:-1], each.layer, each.source, each.reproduce} <= texts
        assert {text for _, text in result_rows.evidence(each)} <= texts
    assert result_rows.made_with(MIXED) in texts
    assert result_rows.total_text(MIXED) in texts


def test_the_page_loads_nothing() -> None:
    text = reports.text("html", MIXED)
    loading = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "style"}
    assert not [(tag, values) for tag, values in Page(text).tags if loading & values.keys()]
    assert "url(" not in text
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_the_page_allows_its_own_script_and_style_and_no_other() -> None:
    import base64
    import hashlib

    text = reports.text("html", MIXED)
    for tag in ("style", "script"):
        (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    for kind in ("default-src", "base-uri", "form-action"):
        assert f"{kind} 'none'" in text


@pytest.mark.parametrize("name", ["page.css", "page.js"])
def test_what_the_page_is_made_of_is_ascii_so_that_its_digest_is_that_of_what_is_written(name: str) -> None:
    assert Path(html.__file__).with_name(name).read_bytes().isascii()


def test_the_page_says_in_words_what_was_not_as_expected_of_a_verdict_that_was() -> None:
    missed = dataclasses.replace(result("weak"), ok=False)
    rows = {
        name: Page(reports.text("html", Report(TOOL, (each,)))).texts
        for name, each in {"as expected": result(), "another verdict": result(ok=False), "missed": missed}.items()
    }
    assert "not as expected" in rows["missed"]
    assert f"expected {result(ok=False).expected}" in rows["another verdict"]
    assert not {"not as expected", f"expected {Verdict.EQUAL}"} & set(rows["as expected"])


@pytest.mark.parametrize("format", ["table", "junit", "github", "markdown", "html"])
def test_a_run_of_nothing_says_that_there_was_nothing_to_try(format: str) -> None:
    nothing = Report(dataclasses.replace(TOOL, device=""), ())
    said = reports.text(format, nothing)
    assert "nothing to try" in said
    assert "every verdict as expected" not in said


def test_a_run_of_nothing_names_no_device() -> None:
    assert result_rows.made_with(Report(TOOL, ())) == "convcheck 0.1, torch 2.13, Python 3.11, on cpu, 2 threads"
    nothing = Report(dataclasses.replace(TOOL, device=""), ())
    assert result_rows.made_with(nothing) == "convcheck 0.1, torch 2.13, Python 3.11, 2 threads"


@pytest.mark.parametrize("format", ["table", *reports.MODULES])
def test_a_name_moves_no_cursor_and_adds_no_line(name: str, format: str) -> None:
    text, harmless = reports.text(format, hostile(name)), reports.text(format, hostile("x"))
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert text.count("\n") == harmless.count("\n")


def test_a_name_stays_whole_in_json(name: str) -> None:
    # Half of a pair is no letter: strict readers refuse it even where JSON spells it out.
    names = [each.case.encode("utf-8", "backslashreplace").decode() for each in hostile(name).results]
    report = json.loads(reports.text("json", hostile(name)))
    assert [each["case"] for each in report["results"]] == names
    assert [json.loads(line)["case"] for line in reports.text("jsonl", hostile(name)).split("\n")] == names


def test_a_name_is_only_a_name_in_xml(name: str) -> None:
    text, harmless = reports.text("junit", hostile(name)), reports.text("junit", hostile("x"))
    document = ET.fromstring(text)
    assert [each.tag for each in document.iter()] == [each.tag for each in ET.fromstring(harmless).iter()]
    names = [each.get("name") for each in document.iter("testcase")]
    assert names == [f"{escape_line(each.case)}[{each.rewrite}]" for each in hostile(name).results]


def test_a_name_is_only_a_name_in_a_command_for_github(name: str) -> None:
    found, harmless = (annotations(reports.text("github", hostile(each))) for each in (name, "x"))
    assert [(kind, told.keys()) for kind, told, _ in found] == [(kind, told.keys()) for kind, told, _ in harmless]
    titles = {told["title"] for _, told, _ in found}
    assert escape_line(f"{name}[patchify-linear]: different") in titles
    # The runner looks for its older commands where a line is none of the newer.
    assert all(line.startswith("::") for line in reports.text("github", hostile(name)).splitlines())


def test_a_name_is_only_a_name_in_markdown(name: str) -> None:
    (_, *rows), kinds = markdown_tables(reports.text("markdown", hostile(name)))
    assert [len(row) for row in rows] == [len(result_rows.HEADERS)] * len(hostile(name).results)
    assert [row[0] for row in rows] == [escape_line(each.case) for each in hostile(name).results]
    assert not {"link_open", "image", "s_open", "em_open", "html_block", "blockquote_open"} & set(kinds)
    _, harmless = markdown_tables(reports.text("markdown", hostile("x")))
    assert [kinds.count(kind) for kind in ("heading_open", "fence", "table_open", "strong_open")] == [
        harmless.count(kind) for kind in ("heading_open", "fence", "table_open", "strong_open")
    ]


def test_markdown_writes_html_that_it_means_only(name: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(reports.text("markdown", hostile(name)))
    tags = {each.content for token in tokens for each in token.children or () if each.type == "html_inline"}
    assert tags <= {"<code>", "</code>", "<sub>", "</sub>"}


def test_a_name_is_only_a_name_in_the_page(name: str) -> None:
    text = reports.text("html", hostile(name))
    page, harmless = Page(text), Page(reports.text("html", hostile("x")))
    assert [(tag, values.keys()) for tag, values in page.tags] == [(tag, each.keys()) for tag, each in harmless.tags]
    assert page.comments == []
    assert page.texts.count(escape_line(name)) == harmless.texts.count("x")


def test_what_a_case_is_called_may_be_as_long_as_it_likes() -> None:
    long = "x" * 100_000
    (_, told, _), _ = annotations(reports.text("github", Report(TOOL, (result(long, ok=False),))))
    assert len(told["title"]) == 255
