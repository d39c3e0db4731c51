"""How far a run is: on a terminal only, on standard error, and only where it takes longer than a second."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from threading import RLock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

AFTER = 1.0
"""Seconds before anything is shown."""


@dataclass(frozen=True)
class Shown:
    """A progress bar, or none."""

    begin: Callable[[str], None] = lambda _name: None
    """Takes the name of each claim before it begins."""
    advance: Callable[[str, int], None] = lambda _name, _count: None
    """Takes a name, and how much is done since the last call, where parts of it are counted, as bytes are."""
    hidden: Callable[[], AbstractContextManager[object]] = nullcontext
    """Hides the bar while results are printed, which may go to the same terminal."""


@contextmanager
def show_progress(total: int, *, shown: bool = True, of_bytes: bool = False) -> Iterator[Shown]:
    """Show which of `total` claims is at work, how many are done a second, and how long the rest may take.

    Of bytes there is no count of claims: what is at work says itself how many it has done.
    """
    if not shown or not sys.stderr.isatty():
        yield Shown()
        return
    bar, lock = _bar(of_bytes=of_bytes), RLock()
    task = bar.add_task("" if of_bytes else "loading torch", total=total, start=True)
    numbers = count()

    def begin(name: str) -> None:
        bar.update(task, completed=next(numbers), description=name)

    def advance(name: str, count: int) -> None:
        bar.update(task, advance=count, description=name)

    def start() -> None:
        with lock:
            bar.start()

    @contextmanager
    def hidden() -> Iterator[None]:
        with lock:
            started = bar.live.is_started
            if started:
                bar.stop()
            yield
            if started:
                bar.start()

    timer = Timer(AFTER, start)
    timer.daemon = True
    timer.start()
    try:
        yield Shown(begin, advance, hidden)
    finally:
        timer.cancel()
        # The bar may just be starting.
        timer.join()
        if bar.live.is_started:
            bar.stop()


def _width() -> int:
    return max(shutil.get_terminal_size().columns - len("^C^C"), 1)


def _bar(*, of_bytes: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column
    from rich.text import Text

    from convcheck.cli import console
    from convcheck.report.format_values import escape_controls

    class Name(ProgressColumn):
        """The claim at work, cut where the terminal ends; the table has it whole."""

        def render(self, task: Task) -> Text:
            return Text(escape_controls(task.description), overflow="ellipsis", no_wrap=True)

    class Rate(ProgressColumn):
        """Claims a second, or seconds a claim."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each", style="dim")

    return Progress(
        Name(table_column=Column(ratio=1, no_wrap=True)),
        BarColumn(bar_width=16),
        *((DownloadColumn(), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(), Rate())),
        TimeRemainingColumn(compact=True),
        # Where it leaves a few columns, the ^C that a terminal echoes stays on its line, and goes with it.
        console=Console(stderr=True, no_color=console.use_colours() is False, width=_width()),
        # Progress is no result, and leaves nothing on the terminal.
        transient=True,
        expand=True,
    )
