"""The widths of a table's columns, by what stands in them: no shape is wrapped, and no window cuts a verdict off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convcheck.report import result_rows
from convcheck.results import Result

NARROW = "(max-width: 76rem)"
"""The condition in page.css for rows as cards; its width is that of the table of a report."""

_WRAPPED = {"case": 16, result_rows.SIZES: 16}
"""The letters for columns of words, which may be wrapped."""

_VERDICT = 14
_LETTER, _GAP, _EDGES = 7.83, 14.4, 33
"""Pixels: a letter of 13 pixels' monospaced type, what is between columns, and what is at both ends of a row."""

_PAGE = 0.94
"""The part of a window that is not its margin."""


def fitted(style: str, results: Iterable[Result], headers: Sequence[str]) -> str:
    """Return the style with columns for these results; a window too narrow for all of them gets cards with labels."""
    letters = [len(header) for header in headers]
    for result in results:
        letters = list(map(max, letters, map(len, result_rows.cells(result, headers))))
    letters[-1] = _VERDICT
    letters = [_WRAPPED.get(header, length) for header, length in zip(headers, letters, strict=True)]
    width = (sum(letters) * _LETTER + (len(letters) - 1) * _GAP + _EDGES) / _PAGE
    first, *widths = (f"{length}ch" for length in letters)
    # The name of a case is told by its place, and that of the others by their header.
    labels = (
        f'.row > :nth-child({place})::before {{ content: "{name}" }}' for place, name in enumerate(headers[1:], 2)
    )
    narrow = f"(max-width: {width / 16:.1f}rem)"
    return (
        f"{style.replace(NARROW, narrow)}"
        f":root {{ --columns: minmax({first}, 1fr) {' '.join(widths)} }}\n@media {narrow} {{ {' '.join(labels)} }}\n"
    )
