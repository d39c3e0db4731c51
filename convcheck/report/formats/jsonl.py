"""Results as JSON Lines: one result a line, for tools that read line by line."""

from __future__ import annotations

from convcheck.report.json_text import json_text
from convcheck.results import Report, Result


def render_result(result: Result) -> str:
    """Return an entry of `results` in the JSON object, on one line; it is printed when it is known."""
    return json_text(result)


def render(report: Report) -> str:
    """Return all entries."""
    return "\n".join(map(render_result, report.results))
