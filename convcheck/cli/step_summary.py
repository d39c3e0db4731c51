"""What GitHub's runner tells and takes by variables of the environment: the repository's root, and a step's summary."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console

if TYPE_CHECKING:
    from convcheck.results import Report, Result

_ROOT = "GITHUB_WORKSPACE"
_SUMMARY = "GITHUB_STEP_SUMMARY"

LARGEST_SUMMARY = 1024 * 1024
"""Bytes that GitHub takes for the summary of one step; it shows nothing of one that is larger."""


def from_root(report: Report) -> Report:
    """Return the report with its configs named from the repository's root, where GitHub looks for them."""
    root = os.environ.get(_ROOT)
    return replace(report, results=tuple(_moved(each, Path(root)) for each in report.results)) if root else report


def _moved(result: Result, root: Path) -> Result:
    name, colon, line = (result.source or "").rpartition(":")
    # A link in the repository keeps its own name; the folders above may be links elsewhere.
    path = Path(name).parent.resolve() / Path(name).name
    if not name or not path.is_relative_to(root.resolve()):
        return result
    return replace(result, source=f"{path.relative_to(root.resolve()).as_posix()}{colon}{line}")


def summarise(report: Report) -> None:
    """Append the table to the summary of the step, where the runner names a file for it."""
    file = os.environ.get(_SUMMARY)
    if not file:
        return
    from convcheck.report.formats import markdown

    try:
        path = Path(file)
        room = LARGEST_SUMMARY - (path.stat().st_size if path.exists() else 0)
        # Line ends keep it apart from what stands there and from what may follow.
        written = f"\n{markdown.verified(report, most=room - 2)}\n".encode("utf-8", "backslashreplace")
        if len(written) > room:
            console.hint(f"{_SUMMARY} is full, so nothing is added to it")
            return
        with path.open("ab") as summary:
            summary.write(written)
    except (OSError, ValueError) as error:
        console.hint(f"{_SUMMARY} cannot be written to: {getattr(error, 'strerror', None) or error}")
