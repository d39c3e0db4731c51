"""Reports: every format's function, what is printed, and the files that `--report` asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console, paths, step_summary
from convcheck.errors import ConvcheckError, UsageError, did_you_mean

if TYPE_CHECKING:
    from convcheck.config.case import Case
    from convcheck.results import Report

MODULES = {
    "json": "json",
    "jsonl": "jsonl",
    "junit": "junit",
    "github": "github",
    "markdown": "markdown",
    "html": "html",
}
"""The module of every format of text; each has a function `verified`. A table is laid out for where it is shown."""

NEEDS = {"junit": "junitparser"}
"""What a format takes that convcheck does not bring along, in an extra of the format's name."""


@dataclass(frozen=True)
class File:
    """A file to write: its format, where it goes, and how it was named."""

    format: str
    path: Path
    shown: str


def files(words: Sequence[str] | None, format: str = "table", cases: Iterable[Case] = ()) -> tuple[File, ...]:
    """Read what `--report` asks for, and look whether it and `format` can be had, before any of the cases is run.

    Raises:
        UsageError: an unknown format, a library that is missing, a file that cannot be written there, or the config of
            one of the cases.
    """
    configs = [Path(name) for name in dict.fromkeys(case.config for case in cases) if name]
    found: list[File] = []
    for word in words or ():
        try:
            file = _file(word, configs)
        except UsageError as error:
            raise UsageError(f"--report {word}: {error}") from None
        if any(file.path == other.path for other in found):
            raise UsageError(f"--report {word}: two reports would go to {file.shown!r}; each needs a file of its own")
        found.append(file)
    for name in (format, *(file.format for file in found)):
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            raise UsageError(f"{name} needs {NEEDS[name]}, which is not installed; pip install 'convcheck[{name}]'")
    return tuple(found)


def _file(word: str, configs: Iterable[Path]) -> File:
    format, sign, shown = word.partition("=")
    if format not in ("table", *MODULES):
        raise UsageError(f"unknown format {format!r}; {did_you_mean(format, ('table', *MODULES))}")
    if not sign or shown in ("", "-"):
        raise UsageError("a file is missing; it is FORMAT=PATH, and standard output is for -f")
    return File(format, paths.writable(shown, configs), shown)


def text(format: str, report: Report) -> str:
    """Return the report in a format, without a line end."""
    if format == "table":
        from convcheck.report.formats import table

        return table.text(report)
    if format == "github":
        report = step_summary.from_root(report)
    return str(import_module(f"convcheck.report.formats.{MODULES[format]}").verified(report))


def deliver(report: Report, format: str, wanted: Sequence[File], *, verbose: bool, quiet: bool) -> bool:
    """Print the report, write its files and the summary of GitHub's step; return whether all of that could be done."""
    told = partial(_print, report, format, verbose=verbose, quiet=quiet)
    for_github = "github" in (format, *(file.format for file in wanted))
    summary = [partial(step_summary.summarise, report)] if for_github else []
    return _each([told, *_writing(report, wanted), *summary])


def save(report: Report, wanted: Sequence[File]) -> None:
    """Write every file, as far as that can be done."""
    _each(_writing(report, wanted))


def _each(steps: Sequence[Callable[[], None]]) -> bool:
    """Take every step, whatever becomes of those before it, and tell of those that cannot be taken."""
    failed: list[ConvcheckError] = []

    def take(step: Callable[[], None]) -> None:
        try:
            step()
        except ConvcheckError as error:
            failed.append(error)
            console.complain(error)

    # Not even a fault of ours keeps the others from being taken.
    with ExitStack() as last_to_first:
        for step in reversed(steps):
            last_to_first.callback(take, step)
    return not failed


def _writing(report: Report, wanted: Sequence[File]) -> list[Callable[[], None]]:
    return [partial(_write, report, file) for file in wanted]


def _write(report: Report, file: File) -> None:
    written = text(file.format, report)
    try:
        paths.write(file.path, f"{written}\n" if written else "")
    except OSError as error:
        raise UsageError(f"the report {file.shown!r} cannot be written: {error.strerror}") from None


def _print(report: Report, format: str, *, verbose: bool, quiet: bool) -> None:
    if format == "table":
        from convcheck.report.formats import table

        out = console.stdout()
        console.show(out, table.verified(report, out, verbose=verbose, quiet=quiet))
    elif written := text(format, report):
        console.write(written, commands=format == "github")
