"""`convcheck verify`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from convcheck.cli import console, options, targets
from convcheck.cli.progress import watching

if TYPE_CHECKING:
    from convcheck.claims import Claim
    from convcheck.config.case import Case
    from convcheck.sharding import Shard


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
    from convcheck.cli import reports
    from convcheck.config.case import laid_over

    files = reports.files(report, format)
    given = {"dtype": dtype, "device": device, "seed": seed, "strict": strict or None}
    cases = [laid_over(case, **given) for case in targets.cases_of(target, input)]
    claims = arranged(targets.chosen(cases, rewrite, choose), shard, failed_first=failed_first, quiet=quiet)
    if list_only:
        console.listed(claim.id for claim in claims)
        return
    if not quiet:
        hint({claim.case.name: claim.case for claim in claims}.values(), made_up=not input)
    from convcheck.last_run import OWN_FOLDER, remember

    with watching(len(claims), shown=not quiet) as begin:
        # This imports torch, which takes its time.
        from convcheck.runs import run

        found = run(
            claims,
            max_failures=1 if fail_fast else max_failures,
            begin=begin,
            rescue=lambda partly: reports.rescue(partly, files),
        )
    seen = zip(claims, (result.ok for result in found.results), strict=False)
    if not remember(seen) and failed_first and not quiet:
        console.hint(f"what was not as expected cannot be kept for the next time; {OWN_FOLDER} names a folder for it")
    try:
        reports.save(found, files)
    finally:
        # A file that cannot be written takes nothing from standard output.
        if format == "table":
            from convcheck.report import table

            out = console.stdout()
            console.show(out, table.verified(found, out, verbose=verbose, quiet=quiet))
        elif written := reports.text(format, found):
            console.write(written)
    if "github" in (format, *(file.format for file in files)):
        reports.summarise(found)
    raise typer.Exit(130 if found.interrupted else 0 if found.ok else 1)


def arranged(claims: Sequence[Claim], shard: Shard | None, *, failed_first: bool, quiet: bool) -> Sequence[Claim]:
    """Return the claims of this run in the order in which they are tried, and say what is not to be seen from them."""
    said = []
    if shard:
        from convcheck.sharding import of_shard

        whole = len(claims)
        claims = of_shard(claims, shard)
        said += [] if claims else [f"shard {shard} is empty; {whole} in all are shared out"]
    if failed_first:
        from convcheck import last_run

        claims, failed = last_run.failed_first(claims)
        said += [f"{failed} of {len(claims)} were not as expected when last tried, and come first"]
    for text in said if not quiet else ():
        console.hint(text)
    return claims


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
