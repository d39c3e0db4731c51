"""The catalogue in words: all of it, one rewrite, or what it has for one layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from convcheck.catalogue.facts import Offer, RewriteFacts
from convcheck.report.plain_console import Verbatim

_NAME = len("transposed-as-gradient *")


def catalogue_tables(rewrites: Sequence[RewriteFacts]) -> Iterator[RenderableType]:
    """Yield the whole catalogue, by the layers that are rewritten: a line a rewrite."""
    by_reference = sorted(rewrites, key=lambda rewrite: (rewrite.reference, rewrite.name))
    for reference, group in groupby(by_reference, key=lambda rewrite: rewrite.reference):
        yield Text(reference, "bold")
        yield _lines((r.name if r.one_to_one else f"{r.name} *", r.summary) for r in group)
        yield Text("")
    yield Text("* not one-to-one: training would let the copies or zeros of a weight drift apart")
    yield Text("`convcheck rewrites NAME` explains one, `convcheck rewrites NAME LAYER` prints its code for a layer")


def rewrite_page(rewrite: RewriteFacts) -> Iterator[RenderableType]:
    """Yield one rewrite: its claim, when it holds, how weights move, and the candidate as code."""
    yield Text(rewrite.name, style="bold")
    yield Text(rewrite.claim)
    yield Text("")
    yield _facts(
        {
            "reference": rewrite.reference,
            "holds when": rewrite.holds_when,
            "formula": rewrite.formula,
            "because": rewrite.derivation,
            "example": rewrite.example,
            "weights": rewrite.weights,
            "order": f"{rewrite.order}, or any other" if rewrite.order else None,
            "training": rewrite.training,
            "source": rewrite.source,
        }
    )
    yield Text("")
    yield Text("the example as code to copy:")
    yield Text("")
    yield code(rewrite.code)


def code(text: str) -> RenderableType:
    """Return Python code as it is, with colours where there are any."""
    highlighted = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(text)
    highlighted.rstrip()
    return Verbatim.assemble(highlighted)


def applicability_tables(offers: Sequence[Offer], *, all_kinds: bool) -> Iterator[RenderableType]:
    """Yield which rewrites hold for a layer, and why others that are made for its kind do not."""
    held = [offer for offer in offers if offer.holds]
    others = [offer for offer in offers if not offer.holds and offer.fits]
    foreign = [offer for offer in offers if not offer.fits]
    yield Text("hold" if held else "none holds", "bold green" if held else "bold yellow")
    yield _lines((offer.rewrite, offer.brief) for offer in held)
    if others:
        yield Text("")
        yield Text("do not hold", "bold yellow")
        yield _lines((offer.rewrite, offer.brief) for offer in others)
    yield Text("")
    if all_kinds:
        yield Text("are made for layers of other kinds", "bold")
        yield _lines((offer.rewrite, offer.brief) for offer in foreign)
    else:
        yield Text(f"{len(foreign)} more are made for layers of other kinds; --all lists them")


def _lines(rows: Iterable[tuple[str, str]]) -> Table:
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True, min_width=_NAME)
    lines.add_column(overflow="fold")
    for name, text in rows:
        lines.add_row(name, Text(text))
    return lines


def _facts(facts: Mapping[str, str | Sequence[str] | None]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in facts.items():
        lines = [text] if isinstance(text, str) else list(text or ())
        for number, line in enumerate(filter(None, lines)):
            table.add_row(name if number == 0 else "", Text(line))
    return table
