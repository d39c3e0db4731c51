"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from convcheck.cli import completion, console
from convcheck.cli.sharding import Shard, parse_shard
from convcheck.config.checks import DTYPES, DType, check_device, check_dtype, check_seed
from convcheck.errors import UsageError
from convcheck.report.formats import check_format, format_names

SELECTION, NUMBERS, OUTPUT = "Selection", "Numbers", "Output"
"""The groups of options on a help page."""

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
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="SHAPE",
        help="The input's shape, such as 1,3,224,224.",
        show_default=False,
        rich_help_panel=NUMBERS,
    ),
]
Rewrites = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--rewrite",
        metavar="NAME",
        help="Only this rewrite; may be repeated. Default: all that hold.",
        show_default=False,
        autocompletion=completion.rewrite_names,
        rich_help_panel=SELECTION,
    ),
]
DTypeOption = Annotated[
    DType | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        parser=_checked(check_dtype),
        help=f"The dtype of the numeric part: {', '.join(DTYPES)}. Default: float32.",
        show_default=False,
        autocompletion=completion.dtypes,
        rich_help_panel=NUMBERS,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        callback=_checked(check_device),
        help="cpu, cuda or cuda:N. Default: cpu.",
        show_default=False,
        rich_help_panel=NUMBERS,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        callback=_checked(check_seed),
        help="The seed of all random numbers. Default: 0.",
        show_default=False,
        rich_help_panel=NUMBERS,
    ),
]
Choose = Annotated[
    str | None,
    typer.Option(
        "-k",
        metavar="EXPR",
        help="Only cases whose name matches, such as 'down and not bfloat16'.",
        show_default=False,
        rich_help_panel=SELECTION,
    ),
]
FailFast = Annotated[
    bool,
    typer.Option(
        "-x", "--fail-fast", help="Stop at the first verdict that is not as expected.", rich_help_panel=SELECTION
    ),
]
MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        metavar="N",
        min=1,
        help="Stop after N verdicts that are not as expected; -x is 1.",
        show_default=False,
        rich_help_panel=SELECTION,
    ),
]
ShardOption = Annotated[
    Shard | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        parser=_checked(parse_shard),
        help="Only the I-th of N parts that take about as long as each other, such as 1/4.",
        show_default=False,
        rich_help_panel=SELECTION,
    ),
]
List = Annotated[
    bool, typer.Option("--list", help="Print the names that would be used, and stop.", rich_help_panel=SELECTION)
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="A weak case, which could not tell a wrong rewrite, is not as expected.",
        rich_help_panel=NUMBERS,
    ),
]
FormatOption = Annotated[
    Format, typer.Option("-f", "--format", help="What to print on standard output.", rich_help_panel=OUTPUT)
]
AnyFormatOption = Annotated[
    str,
    typer.Option(
        "-f",
        "--format",
        metavar="FORMAT",
        parser=_checked(check_format),
        help=f"What to print on standard output: {', '.join(format_names())}.",
        autocompletion=completion.formats,
        rich_help_panel=OUTPUT,
    ),
]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT=PATH",
        help="Write a report to a file as well, as in junit=report.xml or html=report.html; may be repeated.",
        show_default=False,
        autocompletion=completion.report_files,
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Print only what is not as expected (in the table).", rich_help_panel=OUTPUT),
]
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", help="Print all evidence of every case (in the table).", rich_help_panel=OUTPUT),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show the formula of every axis, with the numbers put in.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Columns = Annotated[
    bool,
    typer.Option("-v", "--verbose", help="Print everything that is known, not only the usual.", rich_help_panel=OUTPUT),
]
StoredAs = Annotated[
    DType | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        parser=_checked(check_dtype),
        help=f"The dtype of what is counted in bytes: {', '.join(DTYPES)}. Default: float32.",
        show_default=False,
        autocompletion=completion.dtypes,
        rich_help_panel=NUMBERS,
    ),
]
Colour = Annotated[
    console.When,
    typer.Option(
        "--color",
        help="When to colour. auto: on a terminal, unless NO_COLOR is set; FORCE_COLOR colours a pipe, too.",
        callback=_coloured,
        rich_help_panel=OUTPUT,
    ),
]
