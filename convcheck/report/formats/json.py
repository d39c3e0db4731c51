"""Results as one JSON object. Names and meaning are fixed."""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.errors import Fault
from convcheck.report.json_text import fault_fields, json_object
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


def render_faults(faults: Sequence[Fault]) -> str:
    """Return the object that any command prints whose configs cannot be read."""
    return json_object(ok=False, faults=list(map(fault_fields, faults)))
