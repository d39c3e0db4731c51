"""`convcheck scan`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from convcheck.cli import completion, console, exit_codes, options, own_code
from convcheck.cli.stdin import read_text
from convcheck.cli.targets import STANDARD_INPUT
from convcheck.config.checks import DTYPES, check_dtype
from convcheck.errors import UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from convcheck.layers.user_code import UserCode
    from convcheck.models.records import Files, ScanReport
    from convcheck.models.scan import Asked

_SWAP = "Swap"

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model of torch, as path/to/file.py:name(args) or package.module:name(args); a checkpoint with "
        "--layer-map; or - for what print(model) printed, on standard input.",
        show_default=False,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="SHAPE",
        help="An input of the model: 1,3,224,224, 'int 1,7', mask=bool 1,7 by keyword, or x.safetensors:key; one for "
        "each. Of a checkpoint or a print that of a layer, 'blocks.*.proj=1,3,224,224'.",
        show_default=False,
        rich_help_panel="Numbers",
    ),
]
Rewrites = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--rewrite",
        metavar="NAME",
        help="Only this rewrite; may be repeated. Default: all that hold and take little more work than the layer.",
        show_default=False,
        autocompletion=completion.rewrite_names,
        rich_help_panel=options.SELECTION,
    ),
]
DTypes = Annotated[
    list[str] | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help=f"In which dtypes to verify and time: {', '.join(DTYPES)}; may be repeated. Default: the model's.",
        show_default=False,
        autocompletion=completion.dtypes,
        rich_help_panel="Numbers",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        help="Only layers whose path matches, such as 'visual.*.proj'; may be repeated.",
        show_default=False,
        rich_help_panel=options.SELECTION,
    ),
]
LayerMap = Annotated[
    str | None,
    typer.Option(
        "--layer-map",
        metavar="FILE",
        help="A YAML or JSON file that says which layers the tensors of a checkpoint are, in place of code.",
        show_default=False,
        rich_help_panel="Numbers",
    ),
]
Bench = Annotated[bool, typer.Option("--bench", help="Time both sides of what is equal.", rich_help_panel="Timing")]
Least = Annotated[
    float,
    typer.Option(
        "--min-speedup",
        metavar="X",
        min=1.0,
        help="With --bench, swap what is at least so many times as fast.",
        rich_help_panel=_SWAP,
    ),
]
Apply = Annotated[
    str | None,
    typer.Option(
        "--apply",
        metavar="OUT.safetensors",
        help="Swap, prove the swap, and write the weights, OUT_swap.py and OUT_swap.yaml. Swapped is what -r names, or "
        "with --bench what is fastest.",
        show_default=False,
        rich_help_panel=_SWAP,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over files that are there.", rich_help_panel=_SWAP)]


Save = Annotated[
    str | None,
    typer.Option(
        "--save",
        metavar="CASES.yaml",
        help="Write a config with all layers that have rewrites, for verify.",
        show_default=False,
        rich_help_panel="Output",
    ),
]


def scan(
    model: Model,
    input: Inputs = None,
    layer_map: LayerMap = None,
    rewrite: Rewrites = None,
    only: Only = None,
    trust: own_code.Trust = False,
    dtype: DTypes = None,
    bench: Bench = False,
    min_speedup: Least = 1.1,
    apply: Apply = None,
    save: Save = None,
    overwrite: Overwrite = False,
    format: options.FormatOption = "table",
    color: options.Colour = "auto",
) -> None:
    """Run a model, and list its layers that could be rewritten, or be one, with verdicts on their real weights.

    Examples:
      convcheck scan "models.py:Net()" -i 1,3,224,224 --trust
      convcheck scan "models.py:Net()" -i 1,3,224,224 -r patchify-linear --apply net.safetensors --trust
      convcheck scan "models.py:Text()" -i "ids=int 1,16" -r linear-as-conv1x1 --only "layers.*.fc1" --trust
      convcheck scan model.safetensors --layer-map layers.yaml -i "stem=1,3,224,224"
    """
    from convcheck.catalogue.catalogue import find
    from convcheck.layers.user_code import parse_user_code, untrusted

    for name in rewrite or ():
        find(name)
    dtypes = tuple(dict.fromkeys(map(check_dtype, dtype or ())))
    if model == STANDARD_INPUT or layer_map is not None:
        if apply is not None:
            raise UsageError("--apply swaps layers of code, and there is none; convcheck transplant moves weights")
        if save is not None:
            from convcheck.models.apply import check_free

            check_free("--save", save, overwrite=overwrite)
        from convcheck.models.scan import Asked

        asked = Asked(tuple(rewrite or ()), tuple(only or ()), dtypes, bench=bench, min_speedup=min_speedup)
        _finish(*_without_code(model, layer_map, input or [], asked), save, format)
    code = parse_user_code(model)
    if code is None:
        ways = "write path/to/file.py:name(args) or package.module:name(args)"
        raise UsageError(f"{shown(model)} is no code; {ways}; a checkpoint takes --layer-map, and a print is -")
    if not input:
        raise UsageError("a model does not say what it takes; add -i with the shape of every input")
    if not trust:
        untrusted("by scan with --trust on the command line")(code)
    if apply is not None and not (rewrite or bench):
        raise UsageError("--apply swaps what -r names, or what is faster with --bench; give one of them")
    files = None
    if apply is not None:
        from convcheck.models.apply import files_for

        files = files_for(apply, overwrite=overwrite)
    if save is not None:
        from convcheck.models.apply import check_free

        check_free("--save", save, overwrite=overwrite)
    from convcheck.models.scan import Asked
    from convcheck.sides.user_sides import layer_of

    module = cast("Any", layer_of(code)).module
    asked = Asked(tuple(rewrite or ()), tuple(only or ()), dtypes, bench=bench, min_speedup=min_speedup)
    faults: list[Exception] = []
    report = _scan(module, input, model, asked, faults.append)
    if files is not None and not report.interrupted:
        report = _apply(module, report, files)
    _finish(report, faults, save, format)


def _finish(report: ScanReport, faults: list[Exception], save: str | None, format: options.Format) -> NoReturn:
    """Save the cases that are asked for, print all there is, and end."""
    if save is not None and not report.interrupted:
        from convcheck.models.apply import save_cases

        save_cases(report, save)
    console.report_faults(faults)
    _print(report, format)
    raise typer.Exit(_exit_code(report))


def scanned(code: UserCode, inputs: list[str], name: str) -> tuple[ScanReport, list[Exception]]:
    """Scan a model that is trusted, as `scan` does without options; return what comes of it, and faults of our own."""
    from convcheck.models.scan import Asked
    from convcheck.sides.user_sides import layer_of

    faults: list[Exception] = []
    module = cast("Any", layer_of(code)).module
    return _scan(module, inputs, name, Asked(), faults.append), faults


def _without_code(
    model: str, layer_map: str | None, inputs: list[str], asked: Asked
) -> tuple[ScanReport, list[Exception]]:
    """Scan a print or a checkpoint, and return what comes of it, and faults of our own."""
    from convcheck.cli.progress import show_progress
    from convcheck.models.scan import Listeners
    from convcheck.models.without_code import scan_file, scan_print

    faults: list[Exception] = []
    if layer_map is not None and model == STANDARD_INPUT:
        raise UsageError("--layer-map is for a checkpoint; a print says what its layers are")
    text = None if layer_map is not None else read_text()
    with show_progress(0) as progress:
        hear = Listeners(progress.expect, progress.begin, faults.append)
        if layer_map is not None:
            return scan_file(model, layer_map, inputs, asked, hear), faults
        assert text is not None
        return scan_print(text, inputs, asked, hear), faults


def _scan(
    model: nn.Module, inputs: list[str], name: str, asked: Asked, fail: Callable[[Exception], None]
) -> ScanReport:
    from convcheck.cli.progress import show_progress
    from convcheck.models.example import read_example
    from convcheck.models.scan import Listeners, scan

    example = read_example(inputs)
    with show_progress(0) as progress:
        return scan(model, example, name, asked, Listeners(progress.expect, progress.begin, fail))


def _apply(model: nn.Module, report: ScanReport, files: Files) -> ScanReport:
    """Swap what was chosen, and write it where the swap is proved."""
    from convcheck.models.apply import swapped_in, write

    if not report.chosen:
        return replace(report, notes=(*report.notes, "nothing was swapped: no rewrite was chosen, and nothing written"))
    report, text, swaps = swapped_in(model, report)
    return write(model, report, text, swaps, files) if report.applied else report


def _print(report: ScanReport, format: options.Format) -> None:
    if format == "json":
        from convcheck.report.json_text import json_object

        console.write(json_object(**report.fields()))
        return
    from convcheck.report.tables.scan_table import scan_tables

    out = console.stdout()
    console.show(out, scan_tables(report, out))


def _exit_code(report: ScanReport) -> int:
    if report.interrupted:
        return exit_codes.INTERRUPTED
    if any(one.is_fault for line in report.layers for one in line.rewrites):
        return exit_codes.OUR_FAULT
    return exit_codes.EXPECTED if report.ok else exit_codes.UNEXPECTED
