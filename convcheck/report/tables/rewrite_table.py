"""The catalogue in words: all of it, one rewrite, or what it has for one layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from convcheck.catalogue.facts import Offer, RewriteFacts
from convcheck.report.grid import Column, grid


def catalogue_tables(rewrites: Sequence[RewriteFacts], console: Console) -> Iterator[RenderableType]:
    """Yield the whole catalogue as a table."""
    columns = (Column("rewrite"), Column("reference"), Column("one-to-one"), Column("claim"))
    rows = [(r.name, r.reference, "yes" if r.one_to_one else "no", r.claim) for r in rewrites]
    yield grid(columns, rows, console)


def rewrite_page(rewrite: RewriteFacts) -> Iterator[RenderableType]:
    """Yield one rewrite: its claim, when it holds, how weights move, and the candidate as code."""
    yield Text(rewrite.name, style="bold")
    yield Text(rewrite.claim)
    yield Text("")
    yield from _facts(
        {
            "reference": rewrite.reference,
            "holds when": rewrite.holds_when,
            "formula": rewrite.formula,
            "example": rewrite.example,
            "weights": rewrite.weights,
            "order": f"{rewrite.order}, or any other" if rewrite.order else None,
            "training": rewrite.training,
            "source": rewrite.source,
        }
    )
    yield Text("")
    yield Text("the candidate for the example, as code to copy:")
    yield Text("")
    code = Syntax("", "python", background_color="default").highlight(rewrite.code)
    code.rstrip()
    yield code


def applicability_tables(offers: Sequence[Offer], console: Console) -> Iterator[RenderableType]:
    """Yield which rewrites hold for a layer, and why the others do not."""
    columns = (Column("rewrite"), Column("holds"), Column("because"))
    yield grid(columns, [(o.rewrite, "yes" if o.holds else "no", "; ".join(o.reasons)) for o in offers], console)


def _facts(facts: Mapping[str, str | Sequence[str] | None]) -> Iterator[Text]:
    for name, text in facts.items():
        lines = [text] if isinstance(text, str) else list(text or ())
        for number, line in enumerate(lines):
            if line:
                yield Text.assemble((f"{name if number == 0 else '':<12}", "bold"), line)
