"""Results as JSON Lines: one result a line, for tools that read line by line."""

from __future__ import annotations

from convcheck.report.plain import written
from convcheck.results import Report


def verified(report: Report) -> str:
    """Return the lines that `verify -f jsonl` prints: the entries of `results` in the JSON object, one by one."""
    return "\n".join(written(result) for result in report.results)
