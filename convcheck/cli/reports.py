"""Where results go: standard output, the files that `--report` asks for, and the summary of a step on GitHub."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console, report_files
from convcheck.errors import ConvcheckError
from convcheck.report.formats import load_format

if TYPE_CHECKING:
    from convcheck.cli.printer import Printer
    from convcheck.cli.report_files import ReportFile
    from convcheck.results import Report

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable by which GitHub's runner names the file that takes a step's summary."""

LARGEST_SUMMARY = 1024 * 1024
"""Bytes that GitHub takes for the summary of one step; it shows nothing of one that is larger."""


def deliver(report: Report, printer: Printer, files: Sequence[ReportFile]) -> bool:
    """End the printed report, write files and the summary of GitHub's step; return whether all of it could be done."""
    steps = [partial(printer.end, report), *_writing(report, files)]
    if "github" in (printer.format, *(file.format for file in files)):
        steps.append(partial(write_summary, report))
    return _take_all(steps) and not printer.failed


def _take_all(steps: Sequence[Callable[[], None]]) -> bool:
    """Take every step, even after one fails; print the errors, and return whether there were none."""
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


def _writing(report: Report, files: Sequence[ReportFile]) -> list[partial[None]]:
    return [partial(_write, report, file) for file in files]


def _write(report: Report, file: ReportFile) -> None:
    if file.is_folder:
        from convcheck.report.certificates import certificates

        texts = {name: text and f"{text.rstrip()}\n" for name, text in certificates(report).items()}
        report_files.write_all(file, texts)
        return
    text = load_format(file.format)(report)
    report_files.write(file, f"{text}\n" if text else "")


def write_summary(report: Report) -> None:
    """Append the table to the summary of the step, where the runner names a file for it."""
    file = os.environ.get(STEP_SUMMARY)
    if not file:
        return
    from convcheck.report.formats import markdown

    try:
        path = Path(file)
        room = LARGEST_SUMMARY - (path.stat().st_size if path.exists() else 0)
        # Line ends keep it apart from what stands there and from what may follow.
        text = f"\n{markdown.render(report, most=room - 2)}\n".encode("utf-8", "backslashreplace")
        if len(text) > room:
            console.hint(f"{STEP_SUMMARY} is full, so nothing is added to it")
            return
        with path.open("ab") as summary:
            summary.write(text)
    except (OSError, ValueError) as error:
        console.hint(f"{STEP_SUMMARY} cannot be written to: {getattr(error, 'strerror', None) or error}")
