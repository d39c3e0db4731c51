"""`convcheck bench`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import typer

from convcheck.cli import console, exit_codes, figures, options, own_code, targets
from convcheck.errors import UsageError

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.config.checks import DType
    from convcheck.timing.comparison import Benchmark, Settings


LOOK = 0.2
"""Seconds for which this program rests to see what others do."""

BUSY = 20.0
"""Percent of all CPUs above which that is said."""


def bench(
    target: options.Targets = None,
    input: options.Input = None,
    rewrite: options.Rewrites = None,
    candidate: own_code.Candidate = None,
    map: own_code.Map = None,
    map_by: own_code.MapBy = None,
    layout: own_code.Layout = None,
    select: own_code.Select = None,
    train: own_code.Train = False,
    trust: own_code.Trust = False,
    dtype: options.DTypes = None,
    threads: options.Threads = None,
    device: options.Device = None,
    seed: options.Seed = None,
    channels_last: options.ChannelsLast = False,
    compile: options.Compile = False,
    backward: options.Backward = False,
    choose: options.Choose = None,
    list_only: options.List = False,
    figure: options.Figure = None,
    format: options.FormatOption = "table",
    color: options.Colour = "auto",
) -> None:
    """Time both sides of what verifies, in turn: how much faster a rewrite is here, and how much memory it takes.

    Examples:
      convcheck bench "Conv2d(3, 768, kernel_size=16, stride=16)" -i 8,3,224,224
      convcheck bench "Conv2d(64, 64, 1)" -i 1,64,56,56 --dtype bfloat16 --threads 1 --backward
      convcheck bench "Conv2d(3, 8, 1)" --candidate "torch.nn:Conv2d(3, 8, 1)" -i 1,3,9,9 --trust -f json
    """
    from convcheck.cli import run_claims
    from convcheck.proof.devices import check_devices
    from convcheck.proof.memory import check_possible

    targets.hint_shipped(target, "timed")
    given = own_code.Given(candidate, map, map_by, layout, select, train, trust)
    options_given: dict[str, Any] = {"device": device, "seed": seed}
    overrides = {field: value for field, value in options_given.items() if value is not None}
    read = [replace(case, **overrides) for case in own_code.read_cases(target, input, rewrite, given)]
    dtypes = cast("list[DType] | None", dtype)
    cases = [replace(case, dtype=one) for case in read for one in dict.fromkeys(dtypes or [case.dtype])]
    targets.check_provable(cases)
    claims = targets.choose_claims(cases, rewrite, choose)
    if list_only:
        console.print_names(dict.fromkeys(claim.id for claim in claims))
        return
    folder = figures.folder_of(figure)
    if channels_last and not any(len(shape) in (4, 5) for case in cases for shape in case.inputs):
        raise UsageError("--channels-last is for inputs of 4 or 5 axes, such as [b, c, h, w], and there are none")
    check_devices((claim.case for claim in claims), by_option=device is not None)
    check_possible(claims)
    run_claims.hint_choices({claim.case.name: claim.case for claim in claims}.values(), default_input=not input)
    ways = _settings(threads, channels_last, compile, backward)
    benchmark, any_fault = _time(claims, ways)
    _print(benchmark, format)
    if folder is not None:
        from convcheck.report.ratio_figure import draw

        draw(benchmark, folder)
    raise typer.Exit(_exit_code(benchmark, any_fault=any_fault))


def _settings(threads: list[int] | None, channels_last: bool, compile: bool, backward: bool) -> Settings:
    """Return in which ways claims are timed. Raises UsageError where torch cannot compile."""
    import torch

    from convcheck.timing.comparison import Pass, Settings
    from convcheck.timing.compiler import check_compiler

    if compile:
        check_compiler()
    directions = (Pass.FORWARD, Pass.BACKWARD) if backward else (Pass.FORWARD,)
    return Settings(tuple(threads or [torch.get_num_threads()]), directions, channels_last, compile)


def _time(claims: Sequence[Claim], ways: Settings) -> tuple[Benchmark, bool]:
    """Verify the claims, time those that hold, and return whether convcheck itself failed on any."""
    from convcheck.cli import run_claims
    from convcheck.cli.progress import show_progress
    from convcheck.solving.search import with_map
    from convcheck.timing.run import run

    report = run_claims.run_claims(claims, max_failures=None, quiet=False, finish=lambda _result: None)
    if not report.interrupted:
        _hint_busy()
    faults: list[Exception] = []
    with show_progress(len(claims) * len(ways.ways)) as progress:
        benchmark = run(claims, report, ways, begin=progress.begin, fail=faults.append, prepare=with_map)
    console.report_faults(faults)
    return benchmark, bool(faults) or any(result.is_fault for result in report.results)


def _hint_busy() -> None:
    """Print a remark where other programs compute at the same time: threads then wait for one another."""
    import psutil

    busy = psutil.cpu_percent(interval=LOOK)
    if busy > BUSY:
        console.hint(f"other programs keep the CPUs {busy:.0f} % busy, so these times are not those of an idle machine")


def _print(benchmark: Benchmark, format: options.Format) -> None:
    if format == "json":
        from convcheck.report.json_text import json_object

        console.write(json_object(**benchmark.fields()))
        return
    from convcheck.report.tables.time_table import time_tables

    out = console.stdout()
    console.show(out, time_tables(benchmark, out))


def _exit_code(benchmark: Benchmark, *, any_fault: bool) -> int:
    if benchmark.interrupted:
        return exit_codes.INTERRUPTED
    if any_fault:
        return exit_codes.OUR_FAULT
    return exit_codes.EXPECTED if benchmark.ok else exit_codes.UNEXPECTED
