"""`convcheck params`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from convcheck.cli import console, exit_codes, options, targets
from convcheck.errors import UsageError

if TYPE_CHECKING:
    from convcheck.calculator.side_weights import Weights


def params(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    dtype: options.StoredAs = None,
    choose: options.Choose = None,
    list_only: options.List = False,
    format: options.FormatOption = "table",
    verbose: options.Columns = False,
    color: options.Colour = "auto",
) -> None:
    """Count parameters, show weight shapes, fans, and how torch starts them: of layers and of their rewrites.

    Several layers are listed one by one, without rewrites, unless some are asked for with -r.

    Examples:
      convcheck params "ConvTranspose2d(64, 32, 2, 2)" -r conv1x1-unpatchify
      convcheck params "Conv2d(3, 64, 3, bias=False)" "BatchNorm2d(64)"
    """
    targets.hint_shipped(target, "counted")
    parsed = targets.parse_targets(target)
    rows: Sequence[Weights]
    missed, chained = False, not parsed.files and not rewrite and parsed.count > 1
    if chained:
        rows, names = _alone(parsed, input, choose)
    else:
        from convcheck.calculator.counts import weights_of

        claims = targets.choose_claims(targets.cases_of(parsed, input), rewrite, choose)
        for note in parsed.notes:
            console.hint(note)
        names = [claim.id for claim in claims]
        # A rewrite that was asked for by name and cannot be had is not what was expected.
        missed = any(claim.rewrite and claim.refusals and claim.case.expect.verdict != "refused" for claim in claims)
        rows = [] if list_only else list(weights_of(claims))
    if list_only:
        console.print_names(names)
        return
    if format == "json":
        from convcheck.calculator.figures import BYTES
        from convcheck.report.json_text import json_object

        count = sum(row.params.reference or 0 for row in rows)
        summed = chained and not parsed.has_unread
        total = {"params": count, "bytes": {name: count * size for name, size in BYTES.items()}} if summed else None
        console.write(json_object(results=rows, total=total, notes=parsed.notes))
    else:
        from convcheck.report.tables import parameter_table

        out, kind = console.stdout(), dtype or "float32"
        table = parameter_table.layer_tables(rows, out, dtype=kind, whole=not parsed.has_unread) if chained else None
        console.show(out, table or parameter_table.side_tables(rows, out, dtype=kind, verbose=verbose))
    parsed.refuse_unread()
    raise typer.Exit(exit_codes.UNEXPECTED if missed else exit_codes.EXPECTED)


def _alone(parsed: targets.Targets, input: Sequence[str] | None, choose: str | None) -> tuple[list[Weights], list[str]]:
    """Return the rows of layers by themselves, and their names."""
    from convcheck.calculator.counts import alone
    from convcheck.layers.text.unread import is_unread

    if input:
        raise UsageError("-i is of no use for the parameters of several layers; they do not depend on the input")
    read = [(layer, name) for layer, name in zip(*parsed.chain(), strict=True) if not is_unread(layer)]
    rows = targets.choose(alone(*zip(*read, strict=True)), choose, lambda row: row.case)
    return rows, [row.case for row in rows]
