"""What the user's own code raised, in a line: where in the user's files, its type, its message."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path

from convcheck.errors import cut, escape_line

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = ("site-packages", "dist-packages")
_MOST = 300


@cache
def is_library(file: str | None) -> bool:
    """Tell whether a file belongs to Python, to an installed package or to convcheck; what has no file does, too."""
    if file is None or file.startswith("<"):
        return True
    folders = [_PACKAGE, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    # A virtual environment may see what is installed for all.
    folders += [Path(entry) for entry in sys.path if entry.endswith(_INSTALLED)]
    path = Path(file).resolve()
    return any(path.is_relative_to(folder.resolve()) for folder in folders)


def place_of(error: BaseException) -> str | None:
    """Return `model.py:12`, the innermost line in the user's files at which an error arose; None if there is none."""
    if isinstance(error, SyntaxError) and error.filename and not is_library(error.filename):
        return f"{short_path(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_library(frame.filename)]
    return f"{short_path(frames[-1].filename)}:{frames[-1].lineno}" if frames else None


def describe(error: BaseException) -> str:
    """Return `model.py:12: TypeError: message` in one line; without a place where no line is the user's."""
    try:
        # The text of a SyntaxError repeats its place.
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        message = ""
    first = next(iter(message.strip().splitlines()), "")
    return ": ".join(filter(None, (place_of(error), type(error).__name__, escape_line(cut(first, _MOST)))))


def short_path(file: str) -> str:
    """Return a path as from the current folder, where it is below."""
    path, here = Path(file).resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
