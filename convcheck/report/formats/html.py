"""Results as one page: nothing is loaded from anywhere, and names can do nothing in it but be read."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from convcheck.errors import escape_line
from convcheck.report import result_rows
from convcheck.report.format_values import format_number
from convcheck.results import Report, Result, Verdict

_MARKS = {Verdict.EQUAL: "=", Verdict.DIFFERENT: "\N{NOT EQUAL TO}", Verdict.REFUSED: "-", Verdict.ERROR: "!"}
"""Beside colours, which are never the only sign of anything."""

_CODE = frozenset({"case", "rewrite", "output", "params", "max abs error", "bound", result_rows.SIZES})


def render(report: Report) -> str:
    """Return the page: the sum, the versions, and a row a result with all its evidence to unfold."""
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    page = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            # Names are escaped. Should one ever not be, it still loads nothing, runs no script, and sends no form.
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">',
            f"<title>convcheck: {_text(_headline(report))}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_header(report),
            *_table(report),
            f"<script>{script}</script>",
            "</body>",
            "</html>",
        ]
    )
    # So it reads the same in whatever encoding it is stored.
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _policy(style: str, script: str) -> str:
    allowed = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    policy = "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
    return policy.format(*allowed)


def _text(text: str) -> str:
    """Return text as it is to be read, on one line."""
    return escape(escape_line(text))


def _headline(report: Report) -> str:
    unexpected = report.count()["unexpected"]
    if unexpected:
        return f"{unexpected} of {len(report.results)} not as expected"
    return result_rows.all_well(report) if report.ok else "not finished"


def _header(report: Report) -> Iterator[str]:
    counts = report.count()
    yield "<header>"
    yield f'<p class="tool">{_text(result_rows.made_with(report))}</p>'
    yield f'<h1 class="{"good" if report.ok else "bad"}">{_text(_headline(report))}</h1>'
    yield f"<p>{_text(result_rows.total_text(report))}</p>"
    yield '<div class="tiles" role="group" aria-label="Show only one verdict">'
    yield _tile("", counts["total"], "all")
    for verdict in Verdict:
        if counts[verdict]:
            yield _tile(verdict, counts[verdict], verdict)
    if counts["unexpected"]:
        yield _tile("unexpected", counts["unexpected"], "not as expected")
    yield "</div>"
    yield '<input type="search" placeholder="Search names, layers, reasons" aria-label="Search" hidden>'
    yield "</header>"


def _tile(chosen: str, count: int, label: str) -> str:
    pressed = "false" if chosen else "true"
    # Without its script, the page only counts.
    return (
        f'<button type="button" class="tile {chosen}" data-only="{chosen}" aria-pressed="{pressed}" disabled>'
        f"<b>{count:,}</b> {label}</button>"
    )


def _table(report: Report) -> Iterator[str]:
    yield "<main><table>"
    headers = result_rows.headers(report)
    heads = "".join(
        f'<th scope="col"{_number(header)}><button type="button" disabled>{header}</button></th>' for header in headers
    )
    yield f"<thead><tr>{heads}</tr></thead>"
    for result in report.results:
        yield from _row(result, headers)
    yield "</table></main>"


def _row(result: Result, headers: Sequence[str]) -> Iterator[str]:
    state = "" if result.ok else " unexpected"
    yield f'<tbody class="{result.verdict}{state}">'
    cells = zip(headers, result_rows.cells(result, headers), strict=True)
    yield f'<tr class="row">{"".join(_cell(header, text, result) for header, text in cells)}</tr>'
    yield f'<tr class="more"><td colspan="{len(headers)}">'
    yield f"<details{'' if result.ok else ' open'}><summary><code>{_text(result.layer)}</code></summary>"
    yield from _details(result)
    yield "</details></td></tr>"
    yield "</tbody>"


def _cell(header: str, text: str, result: Result) -> str:
    sort = {"max abs error": result.error.max_abs, "bound": result.error.bound, "params": result.params.reference}
    key = f' data-sort="{-1 if sort[header] is None else sort[header]}"' if header in sort else ""
    if header == "verdict":
        shown = f'<span class="badge {result.verdict}">{_MARKS[result.verdict]} {_text(text)}</span>'
        if not result.ok:
            missed = result.verdict is not result.expected
            expectation = f"expected {_text(result.expected)}" if missed else "not as expected"
            shown += f' <span class="missed">{expectation}</span>'
    else:
        shown = f"<code>{_text(text)}</code>" if header in _CODE else _text(text)
    bar = _bar(result) if header == "bound" else ""
    return f'<td data-label="{header}"{_number(header)}{key}>{shown}{bar}</td>'


def _number(header: str) -> str:
    return ' class="number"' if header in result_rows.NUMBERS else ""


def _bar(result: Result) -> str:
    """Draw the largest error / bound over six powers of ten, up to 1 at the mark; what is above fills all."""
    ratio = result.error.ratio
    if ratio is None:
        return ""
    length = min(max(1 + math.log10(ratio) / 6, 0), 1.1) * 60 if ratio > 0 else 0
    over = " over" if ratio > 1 else ""
    return (
        f'<svg class="bar{over}" viewBox="0 0 66 4" role="img" aria-label="error / bound {format_number(ratio)}">'
        f"<title>largest error / bound {format_number(ratio)}, from 1e-6 to the mark at 1</title>"
        f'<rect class="track" width="66" height="4" rx="2"/><rect class="fill" width="{length:.1f}" height="4" rx="2"/>'
        '<rect class="mark" x="59.5" width="1" height="4"/></svg>'
    )


def _details(result: Result) -> Iterator[str]:
    yield "<dl>"
    if result.source:
        yield f"<dt>source</dt><dd>{_text(result_rows.place(result))}</dd>"
    last = ""
    for subject, text in result_rows.evidence(result):
        # What continues the line above needs no second label.
        label = subject if subject != last else ""
        yield f'<dt>{_text(label)}</dt><dd class="{subject}">{escape(text)}</dd>'
        last = subject
    yield "</dl>"
