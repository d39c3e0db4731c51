"""Results as JSON Lines: one result a line, for tools that read line by line."""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.errors import Fault
from convcheck.report.json_text import fault_fields, json_text
from convcheck.results import Report


def render(report: Report) -> str:
    """Return the entries of `results` in the JSON object, one a line."""
    return "\n".join(json_text(result) for result in report.results)


def render_faults(faults: Sequence[Fault]) -> str:
    """Return the entries of `faults` in the JSON object, one a line."""
    return "\n".join(json_text(fault_fields(fault)) for fault in faults)
