"""`convcheck params`."""

from __future__ import annotations

import typer

from convcheck.cli import console, options, targets


def params(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    choose: options.Choose = None,
    list_only: options.List = False,
    format: options.FormatOption = "table",
) -> None:
    """Count parameters and show weight shapes, of layers and of their rewrites.

    Examples:
      convcheck params

      convcheck params "ConvTranspose2d(64, 32, kernel_size=2, stride=2)"
    """
    from convcheck.counts import weights_of

    claims = targets.chosen(targets.cases_of(target, input), rewrite, choose)
    if list_only:
        for claim in claims:
            console.write(claim.id)
        return
    rows = list(weights_of(claims))
    if format == "json":
        from convcheck.report import as_json

        console.write(as_json.counted(rows))
    else:
        from convcheck.report import parameters

        out = console.stdout()
        console.show(out, parameters.counted(rows, out))
    # A rewrite that was asked for by name and cannot be had is not what was expected.
    missed = any(claim.rewrite and claim.refusals and claim.case.expect.verdict != "refused" for claim in claims)
    raise typer.Exit(1 if missed else 0)
