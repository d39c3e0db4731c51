"""`convcheck verify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from convcheck.cli import console, exit_codes, figures, options, own_code, targets
from convcheck.errors import UsageError

if TYPE_CHECKING:
    from convcheck.cli.report_files import ReportFile
    from convcheck.results import Report


def verify(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    candidate: own_code.Candidate = None,
    map: own_code.Map = None,
    map_by: own_code.MapBy = None,
    layout: own_code.Layout = None,
    own_weights: own_code.OwnWeights = False,
    weights: own_code.Weights = None,
    select: own_code.Select = None,
    train: own_code.Train = False,
    trust: own_code.Trust = False,
    dtype: options.DTypeOption = None,
    device: options.Device = None,
    seed: options.Seed = None,
    choose: options.Choose = None,
    fail_fast: options.FailFast = False,
    max_failures: options.MaxFailures = None,
    shard: options.ShardOption = None,
    strict: options.Strict = False,
    all_sizes: options.AllSizes = False,
    proof_seconds: options.ProofSeconds = None,
    max_memory: options.MaxMemory = None,
    jobs: options.Jobs = 1,
    list_only: options.List = False,
    format: options.AnyFormatOption = "table",
    report: options.Reports = None,
    figure: options.CaseFigures = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Colour = "auto",
) -> None:
    """Prove that layers and their rewrites compute the same.

    Examples:
      convcheck verify
      convcheck verify "Conv2d(3, 768, kernel_size=16, stride=16)" -i 1,3,224,224
      convcheck verify "Conv2d(3, 8, 1)" --candidate "torch.nn:Conv2d(3, 8, 1)" -i 1,3,9,9 --trust
    """
    from convcheck.cli import report_files
    from convcheck.cli.jobs import let_waiting_threads_sleep, one_thread, processes

    let_waiting_threads_sleep()
    options_given: dict[str, Any] = {
        "dtype": dtype,
        "device": device,
        "seed": seed,
        "strict": strict or None,
        "all_sizes": all_sizes or None,
        "proof_seconds": proof_seconds,
        "max_memory": max_memory,
    }
    overrides = {field: value for field, value in options_given.items() if value is not None}
    if not quiet:
        targets.hint_shipped(target, "proved")
    given = own_code.Given(candidate, map, map_by, layout, select, train, trust)
    # Code of the user's own may run here as well, before there are other processes.
    with one_thread(wanted=trust and jobs > 1):
        read = own_code.read_cases(target, input, rewrite, given)
        if own_weights or weights is not None:
            read = own_code.with_own_weights(read, weights, rewrite)
        cases = [replace(case, **overrides) for case in read] if overrides else read
        files = report_files.parse_files(report or (), [case.config for case in cases])
        asked = any(case.all_sizes for case in cases)
        if not asked and (needless := _needless(files, proof_seconds)):
            raise UsageError(f"{needless} is about proofs for all sizes, and none is asked for; add --all-sizes")
        targets.check_provable(cases)
        claims = targets.choose_claims(cases, rewrite, choose)
        if shard:
            from convcheck.cli.sharding import of_shard

            chosen, claims = claims, of_shard(claims, shard)
            if not claims and not quiet:
                console.hint(f"shard {shard} is empty; {len(chosen)} in all are shared out")
    if list_only:
        console.print_names(claim.id for claim in claims)
        return
    folder = figures.folder_of(figure)
    # A list of names needs none of these.
    from convcheck.all_sizes.installed import check_installed
    from convcheck.cli import reports, run_claims
    from convcheck.cli.printer import make_printer
    from convcheck.proof.devices import check_devices
    from convcheck.proof.memory import check_possible

    printer = make_printer(format, (claim.name for claim in claims), verbose=verbose, quiet=quiet, all_sizes=asked)
    if asked:
        check_installed()
    check_devices((claim.case for claim in claims), by_option=device is not None)
    check_possible(claims)
    if not quiet:
        run_claims.hint_choices({claim.case.name: claim.case for claim in claims}.values(), default_input=not input)
    shows_spread = verbose and format == "table"
    pictures = figures.Figures(folder, keep_spread=shows_spread) if folder is not None else None
    results = run_claims.run_claims(
        figures.with_detail(claims, folder is not None, shows_spread),
        max_failures=1 if fail_fast else max_failures,
        quiet=quiet,
        finish=printer.result,
        jobs=processes(jobs, claims, quiet=quiet),
        # What was printed when it came is needed no more where no file is written in the end.
        keep=not printer.streams or bool(files),
        complete=pictures.draw if pictures is not None else None,
    )
    delivered = reports.deliver(results, printer, files)
    if pictures is not None:
        delivered = delivered and not pictures.failed
        if not quiet:
            pictures.tell()
    raise typer.Exit(_exit_code(results, delivered=delivered))


def _needless(files: Sequence[ReportFile], proof_seconds: float | None) -> str | None:
    """Return the option that means nothing where no proof for all sizes is asked for."""
    if proof_seconds is not None:
        return "--proof-seconds"
    return next((f"--report {file.format}" for file in files if file.is_folder), None)


def _exit_code(report: Report, *, delivered: bool) -> int:
    """Return how the program ends: by the verdicts first, then by whether the report arrived where it was wanted."""
    if report.interrupted:
        return exit_codes.INTERRUPTED
    if any(result.is_fault for result in report.results):
        return exit_codes.OUR_FAULT
    if not report.ok:
        return exit_codes.UNEXPECTED
    return exit_codes.EXPECTED if delivered else exit_codes.BAD_INPUT
