"""`convcheck init`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convcheck.cli import completion, console, options, own_code, targets
from convcheck.config.config_files import SCHEMA_FILE
from convcheck.errors import ConvcheckError, UsageError, shown
from convcheck.layers import parse_layer, write_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convcheck.layers.user_code import UserCode

_STANDARD_OUTPUT = "-"

Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="[LAYER|MODEL]",
        help="A layer as torch prints it, or a model as path/to/file.py:name(args). Default: two pairs that ship.",
        show_default=False,
        autocompletion=completion.kinds,
    ),
]
Output = Annotated[
    str,
    typer.Option("-o", "--output", metavar="PATH", help="Where to write; - prints.", rich_help_panel="Output"),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Write over a file that is there.", rich_help_panel="Output")
]


def init(
    subject: Subject = None,
    input: options.Input = None,
    trust: own_code.Trust = False,
    output: Output = "convcheck.yaml",
    overwrite: Overwrite = False,
) -> None:
    """Write a first config with comments that explain it, which verify proves as it stands.

    Of a layer it has the rewrites that hold, and says why others do not; of a model, which is run, all layers that have
    rewrites.

    Examples:
      convcheck init
      convcheck init "Conv2d(3, 768, 16, stride=16)" -i 1,3,224,224 -o embed.yaml
      convcheck init "models.py:Net()" -i 1,3,224,224 --trust -o convcheck-net.yaml
    """
    from convcheck.layers.user_code import parse_user_code

    if output != _STANDARD_OUTPUT and os.path.lexists(output) and not overwrite:
        raise UsageError(f"{shown(output)} is there already; add --overwrite, or choose another name with -o")
    code = parse_user_code(subject)
    if code is not None:
        assert subject is not None
        lines = _of_model(subject, code, input or [], trust=trust)
    elif subject is not None:
        lines = _of_layer(subject, input)
    elif input:
        raise UsageError("-i goes with a layer or a model: convcheck init LAYER -i SHAPE")
    else:
        lines = _of_nothing()
    _write("\n".join([*_head(output), *lines]), output, overwrite=overwrite)


def _head(output: str) -> Iterator[str]:
    from convcheck.report.starter_config import head

    file = "convcheck.yaml" if output == _STANDARD_OUTPUT else output
    yield from head(shlex.quote(file), has_schema=(Path(file).parent / SCHEMA_FILE).is_file())
    yield ""


def _of_nothing() -> Iterator[str]:
    from convcheck.report.starter_config import EXAMPLES

    yield EXAMPLES.rstrip("\n")


def _of_layer(subject: str, input: list[str] | None) -> Iterator[str]:
    from convcheck.catalogue.applicability import offers
    from convcheck.catalogue.claims import check_provable, too_costly
    from convcheck.report.starter_config import of_layer

    layer = parse_layer(subject)
    case = targets.layer_case(layer, targets.parse_inputs(input))
    check_provable([case])
    if not input:
        console.hint(f"no -i given, so this is taken: {write_shapes(case.inputs)}; write your own into the config")
    offered = offers(layer, case.inputs)
    if not any(offer.holds for offer in offered):
        raise UsageError(f"no rewrite holds for {layer}; convcheck rewrites {shlex.quote(str(layer))} says why")
    return of_layer(case, offered, too_costly(case))


def _of_model(subject: str, code: UserCode, inputs: list[str], *, trust: bool) -> Iterator[str]:
    from convcheck.cli.scan import scanned
    from convcheck.layers.user_code import untrusted

    if not inputs:
        raise UsageError("a model does not say what it takes; add -i with the shape of every input")
    if not trust:
        untrusted("by init with --trust on the command line")(code)
    from convcheck.models.gate import cases_text, proved

    report, faults = scanned(code, inputs, subject)
    console.report_faults(faults)
    if report.interrupted:
        raise KeyboardInterrupt
    held = proved(report)
    if not held.layers:
        raise UsageError(f"no rewrite of a layer of {shown(subject)} is equal; convcheck scan says why")
    yield cases_text(held).rstrip("\n")


def _write(text: str, output: str, *, overwrite: bool) -> None:
    if output == _STANDARD_OUTPUT:
        console.write(text)
        return
    try:
        with open(output, "w" if overwrite else "x", encoding="utf-8") as file:  # noqa: PTH123 (Path has no such mode)
            file.write(f"{text}\n")
    except (OSError, ValueError) as error:
        raise ConvcheckError(f"{shown(output)} cannot be written: {getattr(error, 'strerror', error)}") from None
    console.hint(f"{output} is written; convcheck verify {shlex.quote(output)} proves it")
