"""How far a run is: on a terminal only, on standard error, and only where it takes longer than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

AFTER = 1.0
"""Seconds before anything is shown."""

Begin = Callable[[str], None]
"""Called with the name of each case before it begins."""


@contextmanager
def show_progress(total: int, *, shown: bool = True) -> Iterator[Begin]:
    """Show which of `total` cases is at work, how many are done a second, and how long the rest may take."""
    if not shown or not sys.stderr.isatty():
        yield lambda _name: None
        return
    bar = _bar()
    task = bar.add_task("starting", total=total, start=True)
    numbers = count()

    def begin(name: str) -> None:
        bar.update(task, completed=next(numbers), description=name)

    timer = Timer(AFTER, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield begin
    finally:
        timer.cancel()
        # The bar may just be starting.
        timer.join()
        if bar.live.is_started:
            bar.stop()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    from convcheck.cli import console
    from convcheck.report.format_values import escape_controls

    class Name(ProgressColumn):
        """The case at work, cut where the terminal ends; the tables have it whole."""

        def render(self, task: Task) -> Text:
            return Text(escape_controls(task.description), overflow="ellipsis", no_wrap=True)

    class Rate(ProgressColumn):
        """Cases a second, or seconds a case."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each", style="dim")

    return Progress(
        Name(table_column=Column(ratio=1, no_wrap=True)),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, no_color=console.use_colours() is False),
        # Progress is no result, and leaves nothing on the terminal.
        transient=True,
        expand=True,
    )
