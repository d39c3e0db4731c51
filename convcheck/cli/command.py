"""Help pages as plain text, which suits a pipe, a narrow terminal and a search.

Typer's own pages load a Markdown reader first, which takes longer than most of what convcheck answers; and they break
the lines of examples, which then cannot be copied.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

_WIDEST, _NARROW = 100, 60


def split_examples(function: Callable[..., None]) -> tuple[str, str]:
    """Return a docstring's text, and its examples, a line each, as the end of a help page."""
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    # After \b a paragraph keeps its lines.
    return text, "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def format_help(command: Any, context: Any) -> str:
    """Return a command's help, as wide as the terminal, up to a width that reads well."""
    formatter = context.make_formatter()
    formatter.width = min(shutil.get_terminal_size().columns, _WIDEST)
    if formatter.width < _NARROW:
        # Beside the options there is no room for what they do; it stands below them.
        formatter.write_dl = partial(formatter.write_dl, col_max=4)
    command.format_help(context, formatter)
    return str(formatter.getvalue()).rstrip("\n")
