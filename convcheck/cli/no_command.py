"""A command line without a command, which begins with what one of them takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convcheck.cli.completion import rewrite_names
from convcheck.config.config_files import ENDINGS
from convcheck.errors import cut, shown
from convcheck.layers import kind_names


def refuse_target(words: Sequence[str], context: Any) -> None:
    """Stop with the command that was meant, where the first word is a layer, a file, a folder or a rewrite.

    Raises:
        click.UsageError: it is one of these.
    """
    word = words[0]
    what = _what(word)
    if what is None:
        return
    command = "rewrites" if what == "a rewrite" else "verify"
    meant = cut(shlex.join(["convcheck", command, *words]), 500)
    context.fail(f"{shown(word)} is {what}, and a command comes first; did you mean: {meant}")


def explain_option(error: Any, words: Sequence[str], commands: Mapping[str, Any]) -> None:
    """Add to click's error about an option before the command where it would have stood, if a command has it."""
    option = getattr(error, "option_name", None)
    name = next((word for word in words if word in commands), "verify")
    if option in {spelling for parameter in commands[name].params for spelling in parameter.opts}:
        rest = list(words)
        if name in rest:
            rest.remove(name)
        meant = cut(shlex.join(["convcheck", name, *rest]), 500)
        error.message = f"{error.message}; options stand behind the command. Did you mean: {meant}"


def _what(word: str) -> str | None:
    """Return what a word is; None where it may be a command that is misspelt."""
    if "(" in word:
        return "a layer"
    if word in kind_names():
        return "the name of a layer"
    if word == "-":
        return "standard input"
    if word in rewrite_names(""):
        return "a rewrite"
    try:
        path = Path(word)
        return "a folder" if path.is_dir() else "a file" if path.exists() or word.endswith(ENDINGS) else None
    except (OSError, ValueError):
        return None
