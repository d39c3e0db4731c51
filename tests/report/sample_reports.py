"""Results made by hand, names that mean harm, and readers of what formats write."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from convcheck.report.formats import load_format
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


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)
"""A picture of one pixel."""


def hostile(name: str) -> Report:
    """Return a report that holds the name in every place, between results that do not."""
    named = [result(name, verdict, ok=ok) for verdict in Verdict for ok in (True, False)]
    return Report(TOOL, (result("first"), *named, result("last", Verdict.DIFFERENT, ok=False)))


_BLOCKS = ("h1", "h2", "h3", "p", "th", "td", "summary", "dt", "dd", "button")


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.blocks: list[str] = []
        """Texts of headings, cells, terms, descriptions and paragraphs, with the markup that is in them left out."""
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.blocks = [block.strip() for block in self.blocks]
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in _BLOCKS:
            self.blocks.append("")
        if tag not in ("meta", "input", "img") and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.texts.append(data)
            if self.blocks and self._open[-1] != "title" and not set(_BLOCKS).isdisjoint(self._open):
                self.blocks[-1] += data

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


def written(format: str, report: Report) -> str:
    """Return a report in a format."""
    return load_format(format)(report)
