"""Results as one JSON object. Names and meaning are fixed."""

from __future__ import annotations

from convcheck.report.json_text import json_object
from convcheck.results import Report


def render(report: Report) -> str:
    """Return the object that `verify -f json` prints."""
    return json_object(
        tool=report.tool,
        ok=report.ok,
        interrupted=report.interrupted,
        untried=report.untried,
        summary=report.count(),
        results=report.results,
    )
