"""What is pasted on standard input, or saved in a file, in place of a target."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from convcheck.cli import console
from convcheck.errors import LayerError, UsageError, shown
from convcheck.layers.text.pasted import Pasted, parse_pasted
from convcheck.layers.text.source import NoLayersError, SeveralError
from convcheck.sizes.limits import MAX_PRINT


def read_pasted() -> Pasted:
    """Read layers from standard input.

    Raises:
        UsageError: there is nothing, or nothing that can be read.
    """
    return _parsed(read_text(), "standard input")


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


def read_saved(path: Path, word: str) -> Pasted | None:
    """Read layers from a file: what print(model) printed, or Python that makes them, which is not run.

    Return None where it is neither, so that it may be something else.

    Raises:
        UsageError: it is a print, and some of it cannot be read.
    """
    try:
        if not path.is_file() or path.stat().st_size > 4 * MAX_PRINT:
            return None
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    if not re.search(r"(?m)^\s*\([\w-]+\): \w+\(|^\s*(class|from|import)\s|^\w+\(", text):
        return None
    if path.suffix.lower() == ".py":
        try:
            return parse_pasted(text, partly=True)
        except NoLayersError:
            return None
        except LayerError as error:
            name, why = "name(arguments)", f"as text it cannot be read: {error}"
            if isinstance(error, SeveralError):
                name = f"{error.last_class}()" if error.last_class else name
                why = f"it makes {', '.join(error.names)}, and is read as text only where it makes one"
            run = f"convcheck shape {shlex.quote(f'{word}:{name}')} -i ... --trust"
            pipe = f"python {shlex.quote(word)} | convcheck shape -"
            raise UsageError(f"{shown(word)}: {why}; run it: {run}; or pipe its print: {pipe}") from None
    return _parsed(text, shown(word))


def _parsed(text: str, source: str) -> Pasted:
    try:
        return parse_pasted(text, partly=True)
    except LayerError as error:
        raise UsageError("\n".join(f"{source}: {message}" for _, message in error.faults)) from None
