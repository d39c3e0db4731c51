"""What a page shows against what is printed: every word is the same, and a number stands where a kernel decides digits.

That are seconds, versions, and all that is said of rounding errors; every other number comes of the layers alone.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator
from typing import Any

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?"
PLACE = r"\[\d+(?:, \d+)*\]"

MEASURED = frozenset({"max abs error / bound", "max abs error", "bound"})
"""Columns whose digits a kernel decides, and with them how wide they are; a terminal has both in one."""

VERDICT = "[✓✗\N{EN DASH}!] \\w+"
"""How a row of a terminal begins."""

PHRASES = (
    "# s;",
    ", in # s",
    'time="#"',
    'name="ratio" value="#"',
    'name="bound" value="#"',
    "error       # at @, bound there #; largest error / bound #; # ulp; relative #",
    "referee     rms error against float64: reference #, candidate #",
    "in float32 the error is # times",
    "the worst is at @: # against #, where # is allowed",
)
"""The same in sentences: # is a number, @ a place."""

NO_ERROR = rf"error       0 everywhere; bound {NUMBER}"
"""Another kernel's error may be 0."""

KEYS = frozenset({"torch", "python", "threads", "seconds", "error", "referee"})
"""The same in JSON."""

TOOL = r"torch \S+, Python \S+, on cpu, \d+ threads?"

SPREAD = r"(spread +exactly 0) .  1e-04 \|[^|\n]*\|"
"""How errors are spread within the bound: every letter is up to a kernel."""


def comparable(text: str) -> str:
    """Return what has to be the same wherever this is printed."""
    if documents := _documents(text):
        # The layout as it is in the text, with every word; and all values that no kernel decides.
        layout = re.sub(NUMBER, "#", re.sub(r'("(?:torch|python)": )"[^"]*"', r"\1", text))
        return "\n".join([layout, *(json.dumps(_known(document)) for document in documents)])
    text = re.sub(NO_ERROR, "error       1 at [0], bound there 1; largest error / bound 1; 1 ulp; relative 1", text)
    text = re.sub(SPREAD, r"\1 #", re.sub(TOOL, "torch", text))
    for phrase in PHRASES:
        seen = re.escape(phrase).replace(r"\#", NUMBER).replace("@", PLACE)
        text = re.sub(seen, phrase, text)
    return "\n".join(_without_digits(text))


def contradictions(text: str) -> list[str]:
    """Return what is called equal with an error beyond its bound."""
    results = [result for document in _documents(text) for result in document.get("results", [document])]
    rows = [(line, row) for line, row in _rows(text) if row.get("verdict", "").endswith("equal")]
    return [
        *(line for line, row in rows if operator.gt(*_error_and_bound(row))),
        *(
            result["case"]
            for result in results
            if result.get("verdict") == "equal"
            and not 0 <= result["error"]["max_abs"] <= result["error"]["bound"] >= 0 <= result["error"]["ratio"] <= 1
        ),
    ]


def _error_and_bound(row: dict[str, str]) -> tuple[float, float]:
    cells = row.get("max abs error / bound", "").split(" / ")
    error, bound = cells if len(cells) == 2 else (row["max abs error"], row["bound"])
    return float(error), float(bound)


def _without_digits(text: str) -> Iterator[str]:
    """Yield lines, those of tables with what was measured as cells, however wide."""
    measured = False
    for line, row in _rows(text):
        if row:
            yield " | ".join(re.sub(NUMBER, "#", cell) if name in MEASURED else cell for name, cell in row.items())
        else:
            yield re.sub("─+", "─", line) if measured else line
        measured = bool(row)


def _rows(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every line, and by the names of its columns what it says if it stands in a table of what was measured."""
    names: list[str] = []
    for line in text.splitlines():
        markdown = line.startswith("|")
        cells = line.strip("| ").split(" | ") if markdown else re.split(" {2,}", line.strip())
        if MEASURED & set(cells):
            names = [*cells, "remark"]
            yield line, dict(zip(names, cells, strict=False))
        elif names and (re.fullmatch(VERDICT, cells[0]) or (markdown and len(cells) == len(names) - 1)):
            yield line, dict(zip(names, cells, strict=False))
        else:
            yield line, {}


def _documents(text: str) -> list[Any]:
    """Return what a text is in JSON, or every line of it; nothing if it is none."""
    for parts in ([text], text.splitlines()):
        try:
            return [json.loads(part) for part in parts]
        except ValueError:
            continue
    return []


def _known(value: Any, below: bool = False) -> Any:
    """Put a mark in place of every number and text below KEYS."""
    match value:
        case dict():
            return {name: _known(each, below or name in KEYS) for name, each in value.items()}
        case list():
            return [_known(each, below) for each in value]
        case bool() | None:
            return value
        case _:
            return type(value).__name__ if below else value
