"""What is pasted on standard input, in place of a target."""

from __future__ import annotations

import sys

from convcheck.cli import console
from convcheck.errors import LayerError, UsageError
from convcheck.layers.text.pasted import Pasted, parse_pasted
from convcheck.sizes.limits import MAX_PRINT


def read_pasted() -> Pasted:
    """Read layers from standard input.

    Raises:
        UsageError: there is nothing, or nothing that can be read.
    """
    try:
        return parse_pasted(read_text())
    except LayerError as error:
        raise UsageError("\n".join(f"standard input: {message}" for _, message in error.faults)) from None


def read_text() -> str:
    """Return what is pasted. Raises UsageError if it is nothing, or no text."""
    if sys.stdin.isatty():
        console.hint("reading from the terminal; paste what print(model) prints, and end it with Ctrl-D")
    try:
        text = sys.stdin.buffer.read(4 * MAX_PRINT).decode("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"standard input cannot be read as text: {error}") from None
    if not text.strip():
        raise UsageError(
            "standard input is empty; paste what print(model) prints, as in: python model.py | convcheck shape -"
        )
    return text
