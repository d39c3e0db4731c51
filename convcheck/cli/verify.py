"""`convcheck verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from convcheck.cli import console, options, targets

if TYPE_CHECKING:
    from convcheck.results import Report


def verify(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    dtype: options.DTypeOption = None,
    device: options.Device = None,
    seed: options.Seed = None,
    choose: options.Choose = None,
    fail_fast: options.FailFast = False,
    max_failures: options.MaxFailures = None,
    shard: options.ShardOption = None,
    failed_first: options.FailedFirst = False,
    strict: options.Strict = False,
    list_only: options.List = False,
    format: options.AnyFormatOption = "table",
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Colour = "auto",
) -> None:
    """Prove that layers and their rewrites compute the same.

    Examples:
      convcheck verify
      convcheck verify "Conv2d(3, 768, kernel_size=16, stride=16)" -i 1,3,224,224
    """
    from convcheck.cli import reports, run_claims
    from convcheck.config.case import laid_over
    from convcheck.proof.memory import check_possible

    given = {"dtype": dtype, "device": device, "seed": seed, "strict": strict or None}
    cases = [laid_over(case, **given) for case in targets.cases_of(target, input)]
    files = reports.files(report, format, cases)
    chosen = targets.chosen(cases, rewrite, choose)
    claims = run_claims.arranged(chosen, shard, failed_first=failed_first, quiet=quiet)
    if list_only:
        console.listed(claim.id for claim in claims)
        return
    check_possible(claims)
    if not quiet:
        run_claims.hint({claim.case.name: claim.case for claim in claims}.values(), made_up=not input)
    found = run_claims.tried(
        claims,
        max_failures=1 if fail_fast else max_failures,
        failed_first=failed_first,
        quiet=quiet,
        save=lambda partly: reports.save(partly, files),
    )
    delivered = reports.deliver(found, format, files, verbose=verbose, quiet=quiet)
    raise typer.Exit(exit_code(found, delivered=delivered))


def exit_code(report: Report, *, delivered: bool) -> int:
    """Return how the program ends: by the verdicts first, and by whether all who wait for the report have it."""
    if report.interrupted:
        return 130
    return 1 if not report.ok else 0 if delivered else 2
