"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import typer

from convcheck.cli import completion, console
from convcheck.cli.sharding import Shard, parse_shard
from convcheck.config.checks import (
    DTYPES,
    DType,
    check_bytes,
    check_device,
    check_dtype,
    check_proof_seconds,
    check_seed,
    check_threads,
)
from convcheck.errors import UsageError
from convcheck.report.formats import check_format, format_names

SELECTION = "Selection"
"""The group of options that choose what is looked at, on a help page."""

_selecting = partial(typer.Option, rich_help_panel=SELECTION, show_default=False)
_numeric = partial(typer.Option, rich_help_panel="Numbers", show_default=False)
_timing = partial(typer.Option, rich_help_panel="Timing", show_default=False)
_printing = partial(typer.Option, rich_help_panel="Output")

Format = Literal["table", "json"]
"""Formats of all commands but verify, whose formats are the files of convcheck.report.formats."""


def _checked(check: Callable[[Any], object]) -> Callable[[object], object]:
    """Make a callback of a check that configs and Python use, too."""

    def callback(value: object) -> object:
        try:
            return value if value is None else check(value)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None

    return callback


def _coloured(when: console.When) -> console.When:
    console.set_colour(when)
    return when


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET]...",
        help="A config file, a folder of them, a layer as torch prints it, or - for a model's print on standard input. "
        "Without one: the config that ships.",
        show_default=False,
        autocompletion=completion.targets,
    ),
]
Input = Annotated[
    list[str] | None, _numeric("-i", "--input", metavar="SHAPE", help="The input's shape, such as 1,3,224,224.")
]
Rewrites = Annotated[
    list[str] | None,
    _selecting(
        "-r",
        "--rewrite",
        metavar="NAME",
        help="Only this rewrite; may be repeated. Default: all that hold.",
        autocompletion=completion.rewrite_names,
    ),
]


def _dtype(what: str) -> Any:
    return _numeric(
        "--dtype",
        metavar="DTYPE",
        parser=_checked(check_dtype),
        help=f"The dtype of {what}: {', '.join(DTYPES)}. Default: float32.",
        autocompletion=completion.dtypes,
    )


DTypes = Annotated[list[str] | None, _dtype("the runs; may be repeated")]
DTypeOption = Annotated[DType | None, _dtype("the numeric part")]
StoredAs = Annotated[DType | None, _dtype("what is counted in bytes")]
WrittenAs = Annotated[
    DType | None,
    _numeric(
        "--dtype",
        metavar="DTYPE",
        parser=_checked(check_dtype),
        help=f"Store what is moved as one of {', '.join(DTYPES)}, and say what is lost. Default: as it is.",
        autocompletion=completion.dtypes,
    ),
]
Device = Annotated[
    str | None,
    _numeric("--device", metavar="DEVICE", callback=_checked(check_device), help="cpu, cuda or cuda:N. Default: cpu."),
]
Threads = Annotated[
    list[int] | None,
    _numeric(
        "--threads",
        metavar="N",
        callback=_checked(check_threads),
        help="On so many threads of the CPU; may be repeated. Default: as many as torch takes.",
    ),
]
Seed = Annotated[
    int | None,
    _numeric("--seed", metavar="N", callback=_checked(check_seed), help="The seed of all random numbers. Default: 0."),
]
Choose = Annotated[
    str | None,
    _selecting("-k", metavar="EXPR", help="Only cases whose name matches, such as 'down and not bfloat16'."),
]
FailFast = Annotated[bool, _selecting("-x", "--fail-fast", help="Stop at the first verdict that is not as expected.")]
MaxFailures = Annotated[
    int | None,
    _selecting("--max-failures", metavar="N", min=1, help="Stop after N verdicts that are not as expected; -x is 1."),
]
ChannelsLast = Annotated[
    bool, _timing("--channels-last", help="Lay images and their weights out with the channels of a position together.")
]
Compile = Annotated[bool, _timing("--compile", help="Run both sides compiled by torch.compile.")]
Backward = Annotated[bool, _timing("--backward", help="Time the backward pass as well.")]
Figure = Annotated[
    str | None,
    _printing(
        "--figure",
        metavar="DIR",
        help="Draw all ratios into DIR/bench.png, which takes matplotlib.",
        show_default=False,
    ),
]
CaseFigures = Annotated[
    str | None,
    _printing(
        "--figure",
        metavar="DIR",
        help="Draw a picture of every case into DIR: outputs, weights, and how errors lie; takes matplotlib.",
        show_default=False,
    ),
]
ShardOption = Annotated[
    Shard | None,
    _selecting(
        "--shard",
        metavar="I/N",
        parser=_checked(parse_shard),
        help="Only the I-th of N parts that take about as long as each other, such as 1/4.",
    ),
]
List = Annotated[bool, _selecting("--list", help="Print the names that would be used, and stop.")]
Strict = Annotated[
    bool, _numeric("--strict", help="A weak case, which could not tell a wrong rewrite, is not as expected.")
]
AllSizes = Annotated[
    bool,
    _numeric("--all-sizes", help="Prove it for every size of the axes that may vary, too, not for this shape alone."),
]
ProofSeconds = Annotated[
    float | None,
    _numeric(
        "--proof-seconds",
        metavar="N",
        callback=_checked(check_proof_seconds),
        help="How long one proof for all sizes may take, until it is unknown. Default: 30.",
    ),
]
MaxMemory = Annotated[
    str | None,
    _numeric(
        "--max-memory",
        metavar="SIZE",
        callback=_checked(check_bytes),
        help="Refuse to run what would take more, such as 4GiB. Default: what is free.",
    ),
]
Jobs = Annotated[
    int,
    _numeric(
        "--jobs",
        metavar="N",
        min=1,
        help="Verify in N processes at once, which share the cores; results stay in order. Default: 1.",
    ),
]
FormatOption = Annotated[Format, _printing("-f", "--format", help="What to print on standard output.")]
AnyFormatOption = Annotated[
    str,
    _printing(
        "-f",
        "--format",
        metavar="FORMAT",
        parser=_checked(check_format),
        help=f"What to print on standard output: {', '.join(format_names())}.",
        autocompletion=completion.formats,
    ),
]
Reports = Annotated[
    list[str] | None,
    _printing(
        "--report",
        metavar="FORMAT=PATH",
        help="Write a report to a file as well, as in junit=report.xml or html=report.html; may be repeated. "
        "certificate=DIR writes a file for every proof for all sizes.",
        show_default=False,
        autocompletion=completion.report_files,
    ),
]
Quiet = Annotated[bool, _printing("-q", "--quiet", help="Print only what is not as expected (in the table).")]
Verbose = Annotated[bool, _printing("-v", "--verbose", help="Print all evidence of every case (in the table).")]
Columns = Annotated[bool, _printing("-v", "--verbose", help="Print everything that is known, not only the usual.")]
Explain = Annotated[bool, _printing("--explain", help="Show the formula of every axis, with the numbers put in.")]
Colour = Annotated[
    console.When,
    _printing(
        "--color",
        help="When to colour. auto: on a terminal, unless NO_COLOR is set; FORCE_COLOR colours a pipe, too.",
        callback=_coloured,
    ),
]
