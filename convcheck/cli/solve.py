"""`convcheck solve`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convcheck.cli import console, exit_codes, options, own_code, targets
from convcheck.layers.user_code import WAY_OF_TRUST, is_code

if TYPE_CHECKING:
    from convcheck.config.case import Case
    from convcheck.solving.solution import Solution

Reference = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="A layer as torch prints it, or code, whose weights there are.")
]
Wanted = Annotated[
    str, typer.Argument(metavar="CANDIDATE", help="A layer or code that is to compute the same on weights of its own.")
]


def solve(
    reference: Reference,
    candidate: Wanted,
    input: options.Input = None,
    layout: own_code.Layout = None,
    select: own_code.Select = None,
    train: own_code.Train = False,
    trust: own_code.Trust = False,
    dtype: options.DTypeOption = None,
    seed: options.Seed = None,
    all_sizes: options.AllSizes = False,
    proof_seconds: options.ProofSeconds = None,
    format: options.FormatOption = "table",
    verbose: options.Verbose = False,
    color: options.Colour = "auto",
) -> None:
    """Find how the weights of one side become those of another, and prove it.

    Examples:
      convcheck solve "ConvTranspose2d(2, 3, 3, padding=1)" "Conv2d(2, 3, 3, padding=1)" -i 1,2,4,5
      convcheck solve "Conv2d(2, 4, 3, groups=2)" "torch.nn:Conv2d(2, 4, 3)" -i 1,2,5,5 --trust
    """
    from convcheck.all_sizes.installed import check_installed
    from convcheck.solving.solution import Status
    from convcheck.solving.solve import solve as find

    if all_sizes:
        check_installed()
    options_given: dict[str, Any] = {"dtype": dtype, "seed": seed, "proof_seconds": proof_seconds}
    overrides = {field: value for field, value in options_given.items() if value is not None}
    case = replace(_case(reference, candidate, input, layout, trust=trust), all_sizes=all_sizes, **overrides)
    (case,) = own_code.with_choices([case], select, train)
    solution = find(case)
    _print(solution, format, verbose=verbose)
    result = solution.result
    if result is not None and result.is_fault:
        raise typer.Exit(exit_codes.OUR_FAULT)
    found = solution.status is Status.FOUND and result is not None and result.ok
    raise typer.Exit(exit_codes.EXPECTED if found else exit_codes.UNEXPECTED)


def _case(reference: str, candidate: str, inputs: list[str] | None, layout: str | None, *, trust: bool) -> Case:
    """Return both sides as a case without a map. Raises ConvcheckError if a side or an option cannot be read."""
    from convcheck.config.case import parse_side
    from convcheck.config.replacement import Replacement, parse_layout
    from convcheck.errors import UsageError
    from convcheck.sides.user_sides import code_loader

    load_code = code_loader(trust=trust, way=WAY_OF_TRUST)
    parsed = targets.parse_targets([reference], load_code)
    if parsed.files or parsed.count != 1:
        raise UsageError("solve takes two sides: a layer or code each")
    has_code = is_code(reference) or is_code(candidate)
    (case,) = targets.cases_of(parsed, inputs, load_code, has_code=has_code)
    own = Replacement(parse_side(candidate, load_code), {}, parse_layout(layout) if layout is not None else None)
    return replace(case, name=f"{case.name}-as-{own.layer.label()}", candidate=own)


def _print(solution: Solution, format: options.Format, *, verbose: bool) -> None:
    if format == "json":
        from convcheck.report.json_text import json_object

        console.write(json_object(**solution.fields()))
        return
    from convcheck.report.tables.solution_table import solution_tables

    out = console.stdout()
    console.show(out, solution_tables(solution, out, verbose=verbose))
