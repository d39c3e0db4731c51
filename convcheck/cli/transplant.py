"""`convcheck transplant`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convcheck.cli import console, exit_codes, options, own_code
from convcheck.errors import UsageError

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.checkpoints.checkpoint import Checkpoint
    from convcheck.checkpoints.destination import Destination
    from convcheck.checkpoints.plan import Plan, Request
    from convcheck.checkpoints.record import Transplanted
    from convcheck.config.case import Case
    from convcheck.config.checks import DType

Source = Annotated[
    str,
    typer.Argument(
        metavar="SRC",
        help="A checkpoint: a file of safetensors, an index of several, a folder with one of these, or a .pt file "
        "with a state dict.",
    ),
]
Target = Annotated[str, typer.Argument(metavar="DST", help="The checkpoint to write, as safetensors.")]

_mapping = "Mapping"
_Layer = Annotated[
    str | None,
    typer.Option("--layer", metavar="LAYER", help="The layer, as torch prints it.", rich_help_panel=_mapping),
]
_Rewrite = Annotated[
    str | None,
    typer.Option(
        "-r", "--rewrite", metavar="NAME", help="The rewrite of the catalogue to apply.", rich_help_panel=_mapping
    ),
]
_Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="SIDE",
        help="In place of --layer and -r: a layer or code such as mine.py:Patches(), whose weights SRC has.",
        rich_help_panel=_mapping,
    ),
]
_At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="PREFIX",
        help="Where the layer stands in SRC, such as visual.patch_embed.proj; for a Sequential once for every layer "
        "of it, or once for all. What is made stands at the first.",
        rich_help_panel=_mapping,
    ),
]
_Inverse = Annotated[
    bool,
    typer.Option(
        "--inverse", help="The way back: SRC is what the same command without it writes.", rich_help_panel=_mapping
    ),
]
_Rename = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="OLD=NEW",
        help="Another name after the rewrite for a tensor, or for a module that the rewrite makes; may be repeated.",
        rich_help_panel=_mapping,
    ),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace DST if it is there.")]


def transplant(
    source: Source,
    target: Target,
    layer: _Layer = None,
    rewrite: _Rewrite = None,
    at: _At = None,
    reference: _Reference = None,
    candidate: own_code.Candidate = None,
    map: own_code.Map = None,
    map_by: own_code.MapBy = None,
    layout: own_code.Layout = None,
    select: own_code.Select = None,
    train: own_code.Train = False,
    trust: own_code.Trust = False,
    input: options.Input = None,
    inverse: _Inverse = False,
    rename: _Rename = None,
    dtype: options.WrittenAs = None,
    overwrite: _Overwrite = False,
    seed: options.Seed = None,
    max_memory: options.MaxMemory = None,
    format: options.FormatOption = "table",
    quiet: options.Quiet = False,
    color: options.Colour = "auto",
) -> None:
    """Move the real weights of a checkpoint through a rewrite or a mapping, either way, and prove it.

    Examples:
      convcheck transplant a.safetensors b.safetensors --layer "Conv2d(3,8,2,2)" -r patchify-linear --at stem
      convcheck transplant b.safetensors c.safetensors --inverse --layer "Conv2d(3,8,2,2)" -r patchify-linear --at stem
    """
    from convcheck.checkpoints.checkpoint import open_checkpoint
    from convcheck.checkpoints.destination import destination
    from convcheck.checkpoints.names import parse_renames
    from convcheck.checkpoints.plan import Request

    request = Request(tuple(at or ()), parse_renames(rename or ()), inverse, whole=reference is None)
    given = own_code.Given(candidate, map, map_by, layout, select, train, trust)
    make_case = _case(layer, rewrite, reference, given, input)
    checkpoint = open_checkpoint(source)
    place = destination(checkpoint, target, overwrite=overwrite)
    options_given: dict[str, Any] = {"seed": seed, "max_memory": max_memory}
    case = replace(make_case(), **{name: value for name, value in options_given.items() if value is not None})
    done = _apply(checkpoint, place, _claim(case), request, dtype, overwrite=overwrite, quiet=quiet)
    _print(done, format, quiet=quiet)
    if done.result.is_fault:
        raise typer.Exit(exit_codes.OUR_FAULT)
    raise typer.Exit(exit_codes.EXPECTED if done.verified else exit_codes.UNEXPECTED)


def _case(
    layer: str | None, rewrite: str | None, reference: str | None, given: own_code.Given, inputs: list[str] | None
) -> Callable[[], Case]:
    """Return what makes the case; it may import code. Raises UsageError where options do not go together."""
    if reference is None and (layer is None or rewrite is None):
        raise UsageError("say what is moved: --layer and -r, or --reference and --candidate")
    if reference is not None and (layer is not None or rewrite is not None or given.candidate is None):
        raise UsageError("--reference goes with --candidate, and without --layer and -r")
    if reference is None and (given.candidate or given.map or given.map_by or given.layout):
        raise UsageError("--candidate, --map, --map-by and --layout go with --reference, in place of --layer and -r")
    side = reference or layer
    assert side is not None

    def make() -> Case:
        (case,) = own_code.read_cases([side], inputs, [rewrite] if rewrite else None, given)
        return case

    if rewrite is None:
        return make
    from convcheck.catalogue.catalogue import find
    from convcheck.layers.user_code import is_code

    find(rewrite)
    if is_code(side):
        raise UsageError("--layer takes a layer as torch prints it; code goes with --reference and --candidate")
    return lambda: replace(make(), rewrites=(rewrite,))


def _claim(case: Case) -> Claim:
    """Return the claim of a case, with a mapping. Raises UsageError if there is none."""
    from convcheck.catalogue.claims import claims_of

    (claim,) = claims_of([case])
    if case.candidate is not None:
        from convcheck.solving.search import with_map

        claim = with_map(claim)
    if claim.fault is not None:
        raise claim.fault
    if claim.refusals:
        what = f"{claim.name} does not hold for {case.layer}" if case.candidate is None else "nothing is moved"
        raise UsageError(f"{what}: {'; '.join(claim.refusals)}")
    return claim


def _apply(
    checkpoint: Checkpoint,
    place: Destination,
    claim: Claim,
    request: Request,
    dtype: DType | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> Transplanted:
    """Prove the claim on the checkpoint's weights, and write where it holds."""
    from convcheck.checkpoints.plan import plan
    from convcheck.cli.progress import show_progress
    from convcheck.cli.signals import ending_in_order
    from convcheck.errors import CannotRunError

    try:
        planned: Plan = plan(checkpoint, claim, request)
    except CannotRunError as error:
        raise UsageError(f"nothing is moved: {error}") from None
    # What is known from headers is said without torch.
    from convcheck.checkpoints import transplant as work

    weights = work.read(checkpoint, planned, dtype)
    result = work.prove(checkpoint, planned, weights)
    done = work.transplanted(checkpoint, place, planned, weights, result)
    if result.verdict != "equal":
        return done
    # Every byte is written once, and compared once.
    with ending_in_order(), show_progress(2 * done.size, shown=not quiet, of_bytes=True) as progress:
        return work.write(checkpoint, place, planned, weights, done, progress.advance, overwrite=overwrite)


def _print(done: Transplanted, format: options.Format, *, quiet: bool) -> None:
    if format == "json":
        from convcheck.report.json_text import json_object

        console.write(json_object(**done.fields()))
    elif not quiet or not done.verified:
        from convcheck.report.tables.transplant_table import transplant_tables

        out = console.stdout()
        console.show(out, transplant_tables(done, out))
