"""The row of a result, and the bar that shows how much of its bound an error takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from convcheck.report import result_rows
from convcheck.report.format_values import format_number
from convcheck.report.page import markup
from convcheck.results import Result, Verdict

_MARKS = {Verdict.EQUAL: "=", Verdict.DIFFERENT: "\N{NOT EQUAL TO}", Verdict.REFUSED: "-", Verdict.ERROR: "!"}
"""Beside colours, which are never the only sign of anything."""

_CODE = frozenset({"rewrite", "output", "params", "max abs error", "bound", result_rows.SIZES})


def row(result: Result, headers: Sequence[str]) -> str:
    """Return the row of a result; the name of its case is its header, and a heading where it needs to be looked at."""
    cells = zip(headers, result_rows.cells(result, headers), strict=True)
    return f'<tr class="row">{"".join(_cell(header, text, result) for header, text in cells)}</tr>'


def _cell(header: str, text: str, result: Result) -> str:
    if header == "case":
        name = f"<code>{markup.text(text)}</code>"
        return f'<th scope="row">{name if result.ok else f"<h3>{name}</h3>"}</th>'
    sort = {"max abs error": result.error.max_abs, "bound": result.error.bound, "params": result.params.reference}
    key = f' data-sort="{-1 if sort[header] is None else sort[header]}"' if header in sort else ""
    if header == "verdict":
        shown = "".join(_verdict(result))
    else:
        words = markup.agreements(text) if header in ("exact", "gradients") else markup.prose(text)
        shown = f"<code>{words}</code>" if header in _CODE else words
    return f"<td{kind(header)}{key}>{shown}{bar(result.error.ratio) if header == 'bound' else ''}</td>"


def kind(header: str) -> str:
    """Return the attribute of the cells of a column of numbers, or of words."""
    if header == result_rows.SIZES:
        return ' class="sizes"'
    return ' class="number"' if header in result_rows.NUMBERS else ""


def _verdict(result: Result) -> Iterator[str]:
    yield f'<span class="badge {result.verdict}">{_MARKS[result.verdict]} {result.verdict}</span>'
    if not result.ok:
        missed = result.verdict is not result.expected
        expectation = f"expected {result.expected}" if missed else "not as expected"
        yield f' <span class="missed">{expectation}</span>'


def bar(ratio: float | None) -> str:
    """Draw the largest error / bound over six powers of ten, up to 1 at the mark; what is above fills all."""
    if ratio is None:
        return ""
    length = min(max(1 + math.log10(ratio) / 6, 0), 1.1) * 60 if ratio > 0 else 0
    name = f"error / bound {format_number(ratio)}"
    over = " over" if ratio > 1 else ""
    return (
        f'<svg class="bar{over}" viewBox="0 0 66 4" role="img" aria-label="{name}"><title>{name}</title>'
        f'<path d="M0 2h66"/><path class="fill" d="M0 2h{length:.0f}"/><path class="mark" d="M60 0v4"/></svg>'
    )


def legend() -> Iterator[str]:
    """Yield what the bar means."""
    yield '<p class="legend"><b>The bar</b> is the largest error / bound of all entries, drawn from 1e-6 to the mark'
    yield f"at 1 in powers of ten: {bar(0.03)} ends before the mark, where rounding explains the error;"
    yield f"{bar(3e4)} goes past it, where rounding does not. Without a bar, nothing was measured.</p>"
