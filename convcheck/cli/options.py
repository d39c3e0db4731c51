"""The options that commands share."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

Format = Literal["table", "json"]
DType = Literal["float64", "float32", "bfloat16", "float16"]


def _device(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", value):
        raise typer.BadParameter(f"{value!r} is no device; there are: cpu, cuda, cuda:0, cuda:1, ...")
    return value


def _seed(value: int | None) -> int | None:
    if value is not None and not 0 <= value < 2**63:
        raise typer.BadParameter(f"{value} is no seed; it must be a whole number from 0 to 2^63 - 1")
    return value


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET]...",
        help="A config file, a folder of them, or a layer as torch prints it. Without one: the config that ships.",
        show_default=False,
    ),
]
Input = Annotated[
    list[str] | None,
    typer.Option("-i", "--input", metavar="SHAPE", help="The input's shape, such as 1,3,224,224.", show_default=False),
]
Rewrites = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--rewrite",
        metavar="NAME",
        help="Only this rewrite; may be repeated. Default: all that hold.",
        show_default=False,
    ),
]
DTypeOption = Annotated[
    DType | None, typer.Option("--dtype", help="The dtype of the numeric part. Default: float32.", show_default=False)
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="DEVICE", callback=_device, help="cpu, cuda or cuda:N. Default: cpu.", show_default=False
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", callback=_seed, help="The seed of all random numbers. Default: 0.", show_default=False
    ),
]
Choose = Annotated[
    str | None,
    typer.Option(
        "-k", metavar="EXPR", help="Only cases whose name matches, such as 'down and not bfloat16'.", show_default=False
    ),
]
FailFast = Annotated[bool, typer.Option("-x", "--fail-fast", help="Stop at the first verdict that is not as expected.")]
List = Annotated[bool, typer.Option("--list", help="Print the names that would be used, and stop.")]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="What to print on standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only what is not as expected.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print all evidence of every case.")]
