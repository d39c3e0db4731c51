"""What became of a checkpoint's tensors, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.checkpoints.record import Transplanted
from convcheck.errors import escape_line
from convcheck.report.format_values import escape_controls, format_bytes
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import prose
from convcheck.report.result_rows import reasons

_COLUMNS = (Column("tensor"), Column("comes from", wraps=True), Column("by", wraps=True))


def transplant_tables(done: Transplanted, console: Console) -> Iterator[RenderableType]:
    """Yield where every tensor comes from that is not copied, what was lost, and what is known of the rest."""
    by = "the inverse of " if done.inverse else ""
    rows = [
        tuple(map(escape_controls, (key, ", ".join(moved.sources), f"{by}{moved.pattern}")))
        for key, moved in done.moved.items()
    ]
    yield grid(_COLUMNS, rows, console)
    yield Text("")
    for line, indent in _lines(done):
        yield prose(Text(escape_controls(line)), indent=indent)


def _lines(done: Transplanted) -> Iterator[tuple[str, int]]:
    """Yield lines, and how far each is indented."""
    for new, old in done.renamed.items():
        yield f"{old} is called {new}", 0
    if done.dropped:
        yield f"left out, since nothing reads them any more: {', '.join(done.dropped)}", 0
    if done.nest is not None:
        beside = f", without what stands beside it: {', '.join(done.beside)}" if done.beside else ""
        yield f"the tensors of {done.source} are those of {done.nest!r} in it{beside}", 0
    for key, loss in done.losses.items():
        yield f"{key}: {loss}", 0
    result = done.result
    yield f"the mapping is {'proved' if done.verified else 'not proved, and nothing is written'}: {result.verdict}", 0
    if not done.verified:
        yield from ((line, 2) for line in reasons(result))
        return
    yield from ((escape_line(str(note)), 2) for note in result.notes if note.weak)
    moved = _count(len(done.moved))
    yield f"{moved} moved, {done.copied:,} copied byte for byte; all were read back and compared with the source", 0
    yield f"{done.file}: {format_bytes(done.size)}", 0


def _count(number: int) -> str:
    return f"{number:,} tensor{'' if number == 1 else 's'}"
