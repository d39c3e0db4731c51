"""A mapping as Python that runs without convcheck."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convcheck.rewriting.specialise.source import parsed, together
from convcheck.rewriting.takeaway.state_dicts import IMPORTS
from convcheck.solving.origins import STATE, Origin

NAME = "convert"


def program(origins: Mapping[str, Origin]) -> str:
    """Return a file that defines `convert`, from the reference's state dict to the candidate's."""
    head = f"def {NAME}({STATE}: dict[str, Tensor]) -> dict[str, Tensor]:"
    lines = ['"""Return the candidate\'s state dict from the reference\'s."""', "return {"]
    lines += [f'"{target}": {origin.expression},' for target, origin in origins.items()]
    text = "\n".join([head, *(f"    {line}" for line in (*lines, "}"))]) + "\n"
    return str(together([parsed(text, IMPORTS)]))


def function(code: str) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    """Return `convert` as such a file defines it."""
    names: dict[str, Any] = {}
    exec(compile(code, "<convert>", "exec"), names)
    convert: Callable[[dict[str, Any]], Mapping[str, Any]] = names[NAME]
    return convert
