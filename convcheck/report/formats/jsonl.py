"""Results as JSON Lines: one result a line, for tools that read line by line."""

from __future__ import annotations

from convcheck.report.json_text import json_text
from convcheck.results import Report


def render(report: Report) -> str:
    """Return the entries of `results` in the JSON object, one a line."""
    return "\n".join(json_text(result) for result in report.results)
