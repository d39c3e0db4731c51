"""Reports: every format's function, and the files that `--report` asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.errors import ConvcheckError, UsageError, did_you_mean
from convcheck.records import record

if TYPE_CHECKING:
    from convcheck.results import Report

MODULES = {
    "json": "as_json",
    "jsonl": "jsonl",
    "junit": "junit",
    "github": "github",
    "markdown": "markdown",
    "html": "html",
}
"""The module of every format of text; each has a function `verified`. A table is laid out for where it is shown."""

NEEDS = {"junit": "junitparser"}
"""What a format takes that convcheck does not bring along, in an extra of the format's name."""

_SUMMARY = "GITHUB_STEP_SUMMARY"
LARGEST_SUMMARY = 1024 * 1024
"""Bytes that GitHub takes for the summary of one step; it shows nothing of one that is larger."""


@record
class File:
    """A file to write: its format, where it goes, and how it was named."""

    format: str
    path: Path
    shown: str


def files(words: Sequence[str] | None, format: str = "table") -> tuple[File, ...]:
    """Read what `--report` asks for, and look whether it and `format` can be had, before anything is run.

    Raises:
        UsageError: an unknown format, a library that is missing, or a file that cannot be written there.
    """
    found: list[File] = []
    for word in words or ():
        name, sign, shown = word.partition("=")
        if name not in ("table", *MODULES):
            hint = did_you_mean(name, ("table", *MODULES))
            raise UsageError(f"--report {word}: unknown format {name!r}; {hint}")
        if not sign or shown in ("", "-"):
            raise UsageError(f"--report {word}: a file is missing; it is FORMAT=PATH, and standard output is for -f")
        path = _writable(shown, word)
        if any(path == other.path for other in found):
            raise UsageError(f"--report {word}: two reports would go to {shown!r}; each needs a file of its own")
        found.append(File(name, path, shown))
    for name in (format, *(file.format for file in found)):
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            raise UsageError(f"{name} needs {NEEDS[name]}, which is not installed; pip install 'convcheck[{name}]'")
    return tuple(found)


def _writable(shown: str, word: str) -> Path:
    """Return the path with links followed, so that what a link names is replaced, and not the link."""
    if shown.lower().endswith((".yaml", ".yml")):
        raise UsageError(f"--report {word}: {shown!r} ends like a config, and would be read as one; name it otherwise")
    try:
        path = Path(shown).resolve()
        if path.is_dir():
            raise UsageError(f"--report {word}: {shown!r} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise UsageError(f"--report {word}: there is no folder {str(path.parent)!r}; make it first")
        if _replaceable(path):
            # Rights alone do not tell: a file system may be mounted read-only.
            beside = _beside(path)
            beside.touch(exist_ok=False)
            beside.unlink()
    except (OSError, ValueError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or error
        raise UsageError(f"--report {word}: {shown!r} cannot be written: {said}") from None
    return path


def _replaceable(path: Path) -> bool:
    """Whether a file may take the path's place; a device or a pipe is written to instead."""
    return path.is_file() or not path.exists()


def _beside(path: Path) -> Path:
    return path.with_name(f".convcheck-{os.urandom(8).hex()}")


def text(format: str, report: Report) -> str:
    """Return the report in a format, without a line end."""
    if format == "table":
        return _table(report)
    return str(import_module(f"convcheck.report.{MODULES[format]}").verified(report))


def _table(report: Report) -> str:
    import io

    from rich.console import Console
    from rich.text import Text

    from convcheck.report import table

    kept = io.StringIO()
    out = Console(file=kept, width=console.UNLIMITED, color_system=None, highlight=False, markup=False, emoji=False)
    for renderable in table.verified(report, out, verbose=False, quiet=False):
        out.print(renderable, soft_wrap=isinstance(renderable, Text))
    return kept.getvalue().rstrip("\n")


def save(report: Report, wanted: Sequence[File]) -> None:
    """Write every file.

    Raises:
        UsageError: some could not be written; the others are.
    """
    failed = []
    for file in wanted:
        written = text(file.format, report)
        try:
            _write(file.path, f"{written}\n" if written else "")
        except OSError as error:
            failed.append(f"the report {file.shown!r} cannot be written: {error.strerror}")
    if failed:
        raise UsageError("; ".join(failed))


def rescue(report: Report, wanted: Sequence[File]) -> None:
    """Write what was finished before a fault, which is not hidden by another one."""
    try:
        save(report, wanted)
    except ConvcheckError as error:
        console.complain(error)


def _write(path: Path, content: str) -> None:
    """Write beside the path and rename, so that a reader sees the old file or the new one, never half of it."""
    data = content.encode("utf-8", "backslashreplace")
    if not _replaceable(path):
        path.write_bytes(data)
        return
    beside = _beside(path)
    try:
        beside.write_bytes(data)
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def summarise(report: Report) -> None:
    """Append the table to the summary of the step, where GitHub's runner names a file for it."""
    file = os.environ.get(_SUMMARY)
    if not file:
        return
    from convcheck.report import markdown

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
