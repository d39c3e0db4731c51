"""Results as workflow commands of GitHub, which it shows as annotations at the lines of the configs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from convcheck.errors import Fault, cut, escape_line
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


def render_faults(faults: Sequence[Fault]) -> str:
    """Return an error at the place of each of the first faults, and a notice that nothing was run."""
    count = f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'}"
    more = f", of which the first {MOST} are annotations" if len(faults) > MOST else ""
    notice = f"::notice title=convcheck::{_data(f'{count}{more}; nothing was run')}"
    return "\n".join([*map(_fault, faults[:MOST]), notice])


def _fault(fault: Fault) -> str:
    place = {"file": _from_root(fault.file), "line": str(fault.line), "col": str(fault.column)}
    title = cut(f"convcheck: {fault.path}" if fault.path else "convcheck", _LONGEST_TITLE)
    properties = {key: escape_line(value) for key, value in {**place, "title": title}.items()}
    return _command("error", properties, escape_line(fault.message))


def _command(name: str, properties: Mapping[str, str], message: str) -> str:
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(message)}"


def _badness(result: Result) -> tuple[int, float]:
    ratio = result.error.ratio
    # Where none could be had, as with weights that do not even fit, nothing is known to be near.
    return _WORST_FIRST.index(result.verdict), -(math.inf if ratio is None else ratio)


def _error(result: Result) -> str:
    where = source_line(result)
    position = {"file": _from_root(where[0]), "line": str(where[1])} if where else {}
    heading = f"{title(result)}: {result.verdict}"
    return _command("error", {**position, "title": cut(heading, _LONGEST_TITLE)}, "\n".join(remarks(result)))


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
