"""`convcheck verify`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from convcheck.cli import console, options, targets
from convcheck.cli.progress import watching

if TYPE_CHECKING:
    from convcheck.config.case import Case


def verify(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    dtype: options.DTypeOption = None,
    device: options.Device = None,
    seed: options.Seed = None,
    choose: options.Choose = None,
    fail_fast: options.FailFast = False,
    strict: options.Strict = False,
    list_only: options.List = False,
    format: options.FormatOption = "table",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Colour = "auto",
) -> None:
    """Prove that layers and their rewrites compute the same.

    Examples:
      convcheck verify
      convcheck verify "Conv2d(3, 768, kernel_size=16, stride=16)" -i 1,3,224,224
    """
    from convcheck.config.case import laid_over

    given = {"dtype": dtype, "device": device, "seed": seed, "strict": strict or None}
    cases = [laid_over(case, **given) for case in targets.cases_of(target, input)]
    claims = targets.chosen(cases, rewrite, choose)
    if list_only:
        for claim in claims:
            console.write(claim.id)
        return
    if not quiet:
        hint({claim.case.name: claim.case for claim in claims}.values(), made_up=not input)
    with watching(len(claims), shown=not quiet) as begin:
        # This imports torch, which takes its time.
        from convcheck.runs import run

        report = run(claims, fail_fast=fail_fast, begin=begin)
    if format == "json":
        from convcheck.report import as_json

        console.write(as_json.verified(report))
    else:
        from convcheck.report import table

        out = console.stdout()
        console.show(out, table.verified(report, out, verbose=verbose, quiet=quiet))
    raise typer.Exit(130 if report.interrupted else 0 if report.ok else 1)


def hint(cases: Iterable[Case], *, made_up: bool) -> None:
    """Say what was chosen for the user: an input that was not given, and rewrites that were left out."""
    from convcheck.claims import costly
    from convcheck.layers import write_shapes

    for case in cases:
        if case.source is None and made_up:
            console.hint(f"no -i given for {case.name}, so this is taken: {write_shapes(case.inputs)}")
        left_out = costly(case) if case.rewrites is None else {}
        if left_out:
            times = " to ".join(map(str, sorted({min(left_out.values()), max(left_out.values())})))
            console.hint(
                f"left out for {case.name}, since they take about {times} times as long: {', '.join(left_out)}; "
                "try them with -r"
            )
