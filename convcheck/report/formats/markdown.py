"""Results as Markdown in GitHub's flavour, for pull requests, step summaries and notebooks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from convcheck.errors import escape_line
from convcheck.report import result_rows
from convcheck.results import Report, Result

_CODE = frozenset({"case", "rewrite", "output", result_rows.SIZES})
"""The columns that hold names and shapes: as code, in which nothing is markup, a link, an emoji or a mention."""

_LEFT_OUT = "*The rest is left out here, since it is too long.*"


def render(report: Report, most: int | None = None) -> str:
    """Return the table of results, the sum above it, and below it what needs saying.

    With `most`, the text takes no more bytes than that as UTF-8: what is not as expected then comes first, remarks are
    left out before rows are, and it is said.
    """
    head = ["## convcheck", f"**{result_rows.total_text(report)}**", f"<sub>{result_rows.made_with(report)}</sub>"]
    headers = result_rows.headers(report)
    row = partial(_row, headers)
    text = _joined(headers, head, map(row, report.results), map(_remarks, report.results))
    if most is None or len(text.encode()) <= most:
        return text
    results = sorted(report.results, key=lambda result: result.ok)
    room = most - len(_joined(headers, head, [""], [_LEFT_OUT]).encode())
    rows = list(_fitting(map(row, results), room, 1))
    room -= sum(len(row.encode()) + 1 for row in rows)
    remarks = list(_fitting(map(_remarks, results), room, 2)) if len(rows) == len(results) else []
    return _joined(headers, head, rows, [*remarks, _LEFT_OUT])


def _fitting(parts: Iterable[str], room: int, apart: int) -> Iterator[str]:
    """Yield the first parts that together take no more bytes than there is room, with so many between two of them."""
    for part in parts:
        room -= len(part.encode()) + apart
        if room < 0:
            return
        yield part


def _joined(headers: Sequence[str], head: Iterable[str], rows: Iterable[str], remarks: Iterable[str]) -> str:
    rule = ["--:" if header in result_rows.NUMBERS else ":--" for header in headers]
    table = "\n".join([_line(headers), _line(rule), *rows])
    return "\n\n".join([*head, table, *filter(None, remarks)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(headers: Sequence[str], result: Result) -> str:
    cells = [
        code(text) if header in _CODE else text
        for header, text in zip(headers, result_rows.cells(result, headers), strict=True)
    ]
    if not result.ok:
        cells[-1] = f"**{cells[-1]}**, not as expected"
    return _line(cells)


def _remarks(result: Result) -> str:
    """Return what needs saying of a result: a heading, and a block in which everything stands as it is."""
    text = "\n".join(result_rows.remarks(result))
    if not text:
        return ""
    where = f" {code(result_rows.place(result))}" if result.source else ""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    heading = f"**{code(result.case)}** {code(f'[{result_rows.rewrite(result)}]')} {result.verdict}{where}"
    return f"{heading}\n\n{fence}text\n{text}\n{fence}"


def code(text: str) -> str:
    """Return text as inline code that a cell of a table may hold, whatever is in it."""
    text = escape_line(text)
    if text.strip() != text or not text or re.search("[`|]", text):
        # Where cells end is looked for before code is, and each renderer escapes within code in a way of its own.
        return f"<code>{_entities(text)}</code>"
    return f"`{text}`"


def _entities(text: str) -> str:
    """Write every letter that could be markup as a character reference, which never is."""
    return re.sub(r"[^\w ,=()/+%-]|_", lambda match: f"&#{ord(match[0])};", text)
