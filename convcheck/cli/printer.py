"""What goes to standard output while claims are verified, and in the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.errors import ConvcheckError
from convcheck.report.formats import load_format, load_result_format
from convcheck.report.result_rows import place, reasons, title

if TYPE_CHECKING:
    from convcheck.results import Report, Result


class Printer:
    """Prints a report when it is complete, such as a page; `failed` is whether something could not be printed."""

    streams = False
    """Whether results are printed when they come."""

    def __init__(self, format: str, *, quiet: bool) -> None:
        self.format, self.quiet, self.failed = format, quiet, False

    def result(self, result: Result) -> None:
        """Take a result that has just come. If printing fails, say so, and let the run go on."""
        try:
            if not self.failed:
                self._result(result)
        except ConvcheckError as error:
            self.failed = True
            console.complain(error)
        # Whoever waits at a terminal sees at once what is not as expected.
        if not result.ok and not self.quiet and sys.stderr.isatty() and not (self.streams and sys.stdout.isatty()):
            where = place(result)
            console.hint(": ".join((*([where] if where else []), title(result), result.verdict, *reasons(result)[:1])))

    def _result(self, result: Result) -> None:
        """Print a result by itself, where the format can."""

    def end(self, report: Report) -> None:
        """Print what is left to be printed."""
        if text := load_format(self.format)(report):
            console.write(text, commands=self.format == "github")


class LinePrinter(Printer):
    """Prints every result when it comes, on a line."""

    streams = True

    def _result(self, result: Result) -> None:
        render_result = load_result_format(self.format)
        assert render_result
        console.write(render_result(result))

    def end(self, report: Report) -> None:
        """Print nothing: all is there."""


class TablePrinter(Printer):
    """Prints every result when it comes, as a row of a table, and the sum below."""

    streams = True

    def __init__(self, rewrites: Iterable[str], *, verbose: bool, quiet: bool, all_sizes: bool) -> None:
        from convcheck.report.formats.table import ResultTable

        super().__init__("table", quiet=quiet)
        self._out = console.stdout()
        self._table = ResultTable(self._out, rewrites, verbose=verbose, all_sizes=all_sizes)
        self._any = False

    def _result(self, result: Result) -> None:
        if not (self.quiet and result.ok):
            self._any = True
            console.show(self._out, self._table.rows(result))

    def end(self, report: Report) -> None:
        """Print the sum; if quiet, only where there was something to print."""
        from convcheck.report.formats.table import total

        if self._any or not self.quiet or report.interrupted:
            console.show(self._out, total(report))


def make_printer(
    format: str, rewrites: Iterable[str], *, verbose: bool, quiet: bool, all_sizes: bool = False
) -> Printer:
    """Return the printer of a format.

    `rewrites` are the names that a table has to have room for, and `all_sizes` is whether it says for which sizes.

    Raises:
        UsageError: a library that the format needs is not installed.
    """
    if format == "table":
        return TablePrinter(rewrites, verbose=verbose, quiet=quiet, all_sizes=all_sizes)
    return (LinePrinter if load_result_format(format) else Printer)(format, quiet=quiet)
