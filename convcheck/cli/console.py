"""Where text leaves: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convcheck.errors import ConvcheckError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNLIMITED = 100_000
"""The width of what is no terminal: a pipe has no edge at which to break or cut a line."""


def stdout() -> Console:
    """Return the console for results."""
    from rich.console import Console

    # Numbers and quotes are not coloured by guesswork; a long line is the terminal's to fold, not ours to cut.
    return Console(
        width=None if sys.stdout.isatty() else UNLIMITED, highlight=False, markup=False, emoji=False, soft_wrap=False
    )


def show(console: Console, renderables: Iterable[RenderableType]) -> None:
    """Print renderables one by one."""
    with _reader_may_leave():
        for renderable in renderables:
            console.print(renderable)
        sys.stdout.flush()


def write(text: str) -> None:
    """Print plain text as it is."""
    with _reader_may_leave():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Say nothing when a reader such as `head` has seen enough; the exit code stays that of the verdict."""
    try:
        yield
    except BrokenPipeError:
        # What Python still holds back is flushed when it exits; let it go nowhere instead of failing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: ConvcheckError) -> None:
    """Print what is wrong with the input on standard error, one fault a line."""
    from convcheck.report.grid import inert

    lines = str(error).split("\n")
    for line in lines:
        sys.stderr.write(f"error: {inert(line)}\n")
    if len(lines) > 1:
        sys.stderr.write(f"{len(lines)} faults; nothing was run\n")


def hint(text: str) -> None:
    """Print a remark on standard error."""
    sys.stderr.write(f"note: {text}\n")
