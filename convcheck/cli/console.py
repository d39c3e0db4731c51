"""Where text leaves: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convcheck.errors import ConvcheckError, UsageError, cut, escape_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MOST_FAULTS = 100
"""Faults that are printed; a file with more of them is no config."""

LONGEST = 2000
"""Characters of a message; only text pasted in place of a name makes a longer one."""

When = Literal["auto", "always", "never"]

_colour_option: list[When] = ["auto"]


def set_colour(when: When) -> None:
    """Set when output is coloured from here on."""
    _colour_option[0] = when


def use_colours() -> bool | None:
    """Return whether to colour, whatever the stream is; None to colour on a terminal.

    The option goes before the environment, and NO_COLOR (no-color.org) before FORCE_COLOR (force-color.org): each
    counts if it is set and not empty, and FORCE_COLOR not if it is 0.
    """
    if _colour_option[0] != "auto":
        return _colour_option[0] == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR", "0") not in ("", "0") else None


def stdout() -> Console:
    """Return the console for results."""
    from convcheck.report.plain_console import UNLIMITED, PlainConsole

    wanted = use_colours()
    return PlainConsole(
        width=None if sys.stdout.isatty() else UNLIMITED,
        # Rich would look for FORCE_COLOR itself.
        force_terminal=sys.stdout.isatty() if wanted is None else wanted,
        # Where it is no terminal, or one that does not say what it can, these are the sixteen that all have.
        color_system="standard" if wanted and not sys.stdout.isatty() else "auto" if wanted is not False else None,
        # Rich reads NO_COLOR itself, and an option goes before it.
        no_color=wanted is False,
    )


def show(console: Console, renderables: Iterable[RenderableType]) -> None:
    """Print renderables one by one."""
    from convcheck.report.plain_console import print_all

    with _quiet_on_broken_pipe():
        if _in_workflow():
            with console.capture() as captured:
                print_all(console, renderables)
            sys.stdout.write(_read_only(captured.get()))
        else:
            print_all(console, renderables)
        sys.stdout.flush()


def write(text: str, *, commands: bool = False) -> None:
    """Print plain text as it is, or, unless it may hold `commands` of a workflow, with commands spelt out."""
    with _quiet_on_broken_pipe():
        sys.stdout.write((text if commands else _read_only(text)) + "\n")
        sys.stdout.flush()


def _in_workflow() -> bool:
    return bool(os.environ.get("GITHUB_ACTIONS"))


def _read_only(text: str) -> str:
    """Spell out, in a workflow of GitHub, what its runner would take for a command: names of cases may hold one.

    It looks for `::` at the beginning of a line, blanks aside, and for the older `##[` anywhere.
    """
    if not _in_workflow():
        return text
    return re.sub(r"(?m)^(\s*):(?=:)", r"\1\\x3a", text).replace("##[", "#\\x23[")


@contextmanager
def _quiet_on_broken_pipe() -> Iterator[None]:
    """Ignore that a reader such as `head` closed the pipe; the exit code stays that of the verdict.

    Raises:
        UsageError: standard output cannot be written to, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        # What Python still holds back is flushed when it exits; let it go nowhere instead of failing again.
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"cannot write to standard output: {error.strerror}") from None


def print_names(names: Iterable[str]) -> None:
    """Print names, one a line."""
    if lines := "\n".join(map(escape_line, names)):
        write(lines)


def complain(error: ConvcheckError) -> None:
    """Print what is wrong with the input on standard error, one fault a line, and no more lines than are of use."""
    lines = str(error).split("\n")
    for line in lines[:MOST_FAULTS]:
        _tell(f"error: {cut(escape_line(line), LONGEST)}")
    more = f", of which the first {MOST_FAULTS} are shown" if len(lines) > MOST_FAULTS else ""
    if len(lines) > 1:
        sys.stderr.write(f"{len(lines)} faults{more}; nothing was run\n")


def hint(text: str) -> None:
    """Print a remark on standard error."""
    _tell(f"note: {escape_line(text)}")


def _tell(line: str) -> None:
    """Print a line on standard error; a terminal gets it broken between words."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    sys.stderr.write(_read_only(f"{line}\n"))


def report_faults(errors: Iterable[Exception]) -> None:
    """Print the tracebacks of faults of convcheck itself, each once, and what to do with them."""
    tracebacks = dict.fromkeys("".join(traceback.format_exception(error)) for error in errors)
    if tracebacks:
        sys.stderr.write("".join(tracebacks))
        sys.stderr.write(
            "error: this is a fault of convcheck itself, and says nothing about your layers; please "
            "report it with the lines above\n"
        )
