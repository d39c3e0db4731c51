"""Results as workflow commands of GitHub, which it shows as annotations at the lines of the configs."""

from __future__ import annotations

import math
import os
from pathlib import Path

from convcheck.report.result_rows import remarks, source_line, title, total_text
from convcheck.results import Report, Result, Verdict

ROOT = "GITHUB_WORKSPACE"
"""The variable that names the repository's root, from which GitHub looks for files."""

MOST = 10
"""GitHub shows so many annotations of a kind for one step, and drops the rest."""

_LONGEST_TITLE = 255

_WORST_FIRST = (Verdict.DIFFERENT, Verdict.ERROR, Verdict.REFUSED, Verdict.EQUAL)


def render(report: Report) -> str:
    """Return an error for each of the worst that are not as expected, and a notice with the sum."""
    unexpected = sorted((result for result in report.results if not result.ok), key=_badness)
    more = len(unexpected) - MOST
    left_out = f"; annotations are of the worst {MOST}, and {more} more are not as expected" if more > 0 else ""
    notice = f"::notice title=convcheck::{_data(total_text(report) + left_out)}"
    return "\n".join([*map(_error, unexpected[:MOST]), notice])


def _badness(result: Result) -> tuple[int, float]:
    ratio = result.error.ratio
    # Where none could be had, as with weights that do not even fit, nothing is known to be near.
    return _WORST_FIRST.index(result.verdict), -(math.inf if ratio is None else ratio)


def _error(result: Result) -> str:
    where = source_line(result)
    position = {"file": _from_root(where[0]), "line": str(where[1])} if where else {}
    heading = f"{title(result)}: {result.verdict}"
    if len(heading) > _LONGEST_TITLE:
        heading = heading[: _LONGEST_TITLE - 3] + "..."
    properties = ",".join(f"{name}={_property(value)}" for name, value in {**position, "title": heading}.items())
    message = "\n".join(remarks(result))
    return f"::error {properties}::{_data(message)}"


def _from_root(file: str) -> str:
    """Return a config's path from the repository's root; as it was named, if it is in no repository."""
    root = os.environ.get(ROOT)
    # A link in the repository keeps its own name; the folders above may be links elsewhere.
    path = Path(file).parent.resolve() / Path(file).name
    if not root or not path.is_relative_to(Path(root).resolve()):
        return file
    return path.relative_to(Path(root).resolve()).as_posix()


def _data(text: str) -> str:
    """Escape a message as GitHub's own toolkit does; a command ends with its line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property, which ends with a comma or a colon, too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
