"""Help pages: options in groups, examples that can be copied.

Typer's own pages load a Markdown reader first, which takes longer than most of what convcheck answers; and they break
the lines of examples.
"""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from convcheck.cli import console

_WIDEST, _NARROW = 100, 60


def split_examples(function: Callable[..., None]) -> tuple[str, str]:
    """Return a docstring's text, and its examples, a line each, as the end of a help page."""
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    # After \b a paragraph keeps its lines.
    return text, "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def format_help(command: Any, context: Any) -> str:
    """Return a command's help, as wide as the terminal, up to a width that reads well."""
    wanted = console.use_colours()
    context.color = sys.stdout.isatty() if wanted is None else wanted
    formatter = context.make_formatter()
    formatter.width = min(shutil.get_terminal_size().columns, _WIDEST)
    # Where there is no room beside the options for what they do, it stands below them.
    write = partial(formatter.write_dl, col_max=4) if formatter.width < _NARROW else formatter.write_dl
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    for heading, records in _groups(command, context).items():
        with formatter.section(_styled(context, heading, bold=True)):
            write([(_styled(context, name, fg="cyan"), text) for name, text in records])
    command.format_epilog(context, formatter)
    return str(formatter.getvalue()).rstrip("\n")


def _groups(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the arguments, options and commands as (name, help), by the heading under which they stand."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        if record := parameter.get_help_record(context):
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
    for name in getattr(command, "list_commands", lambda _context: ())(context):
        summary = command.get_command(context, name).get_short_help_str(limit=_WIDEST)
        groups.setdefault("Commands", []).append((name, summary))
    # What all commands have comes last.
    return dict(sorted(groups.items(), key=lambda group: group[0] == "Options"))


def _styled(context: Any, text: str, **style: Any) -> str:
    return typer.style(text, **style) if context.color else text
