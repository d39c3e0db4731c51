"""Consoles that print what they are given and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.segment import Segment, SegmentLines
from rich.text import Text

UNLIMITED = 100_000
"""The width of what is no terminal: a pipe has no edge at which to break or cut a line."""


class PlainConsole(Console):
    """A console on which nothing is coloured by guesswork or read as markup; broken pipes are the caller's matter."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **settings)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Verbatim(Text):
    """Text to be copied, such as a command: a line stays one, and only the terminal folds it."""


def prose(text: Text, *, indent: int) -> Padding:
    """Return text of which every line is indented, also those at which a console breaks it."""
    return Padding(text, (0, 0, 0, indent), expand=False)


def print_all(console: Console, renderables: Iterable[RenderableType]) -> None:
    """Print renderables one by one; text is broken between words, and no line ends in blanks, as rich's grids do."""
    for renderable in renderables:
        if isinstance(renderable, Verbatim):
            console.print(renderable, soft_wrap=True)
        else:
            lines = map(_trimmed, console.render_lines(renderable, pad=False))
            console.print(SegmentLines(lines, new_lines=True), end="")


def _trimmed(line: list[Segment]) -> list[Segment]:
    while line and not (text := line[-1].text.rstrip(" ")):
        line.pop()
    return [*line[:-1], line[-1]._replace(text=text)] if line else []


def print_to_text(layout: Callable[[Console], Iterable[RenderableType]], width: int = UNLIMITED) -> str:
    """Return as text what `layout` yields for a console of this width, without colours and without a line end."""
    file = io.StringIO()
    console = PlainConsole(file=file, width=width, color_system=None)
    print_all(console, layout(console))
    return file.getvalue().rstrip("\n")
