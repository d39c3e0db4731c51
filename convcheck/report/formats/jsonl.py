"""Results as JSON Lines: one result a line, for tools that read line by line."""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.errors import Fault
from convcheck.report.json_text import fault_fields, json_text
from convcheck.results import Report, Result


def render_result(result: Result) -> str:
    """Return an entry of `results` in the JSON object, on one line; it is printed when it is known."""
    return json_text(result)


def render(report: Report) -> str:
    """Return all entries."""
    return "\n".join(map(render_result, report.results))


def render_faults(faults: Sequence[Fault]) -> str:
    """Return the entries of `faults` in the JSON object, one a line."""
    return "\n".join(json_text(fault_fields(fault)) for fault in faults)
