"""Consoles that show what they are given and nothing else, and text laid out as on one of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

UNLIMITED = 100_000
"""The width of what is no terminal: a pipe has no edge at which to break or cut a line."""


class Paper(Console):
    """A console on which nothing is coloured by guesswork or read as markup; broken pipes are the caller's matter."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **settings)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def lay(paper: Console, renderables: Iterable[RenderableType]) -> None:
    """Print renderables one by one. Lines of text are folded by the terminal, not by us: a copied command stays one."""
    for renderable in renderables:
        paper.print(renderable, soft_wrap=isinstance(renderable, Text))


def printed(laid_out: Callable[[Console], Iterable[RenderableType]], width: int = UNLIMITED) -> str:
    """Return what is laid out for a console of this width as text, without colours and without a line end."""
    kept = io.StringIO()
    paper = Paper(file=kept, width=width, color_system=None)
    lay(paper, laid_out(paper))
    return kept.getvalue().rstrip("\n")
