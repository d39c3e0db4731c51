"""What is too long for a cell stands below its table, so that no table is wider than a page because of one cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.report.plain_console import Verbatim

_WIDEST = 140
"""Characters of a cell. torch's longest layers have about 120."""


class Footnotes:
    """Texts that were too long, numbered in the order in which they were met; equal ones share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def cells(self, row: Sequence[str]) -> list[str]:
        """Return the cells of a row, long ones as `Sequential(...) [1]` or, where they are no call, as `[1]`."""
        return [text if len(text) <= _WIDEST else self._mark(text) for text in row]

    def _mark(self, text: str) -> str:
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        word = text.partition("(")[0]
        return f"{word}(...) [{number}]" if word.isidentifier() else f"[{number}]"

    def lines(self) -> Iterator[RenderableType]:
        """Yield the texts in full, below a blank line."""
        if self._numbers:
            yield Text("")
        for text, number in self._numbers.items():
            yield Verbatim(f"[{number}] {escape_line(text)}")
