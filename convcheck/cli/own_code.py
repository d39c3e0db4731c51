"""The options of a candidate of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from convcheck.errors import UsageError, shown

if TYPE_CHECKING:
    from convcheck.config.case import Case

_OWN = "Your own candidate"

Candidate = Annotated[
    str | None,
    typer.Option(
        "--candidate",
        metavar="LAYER",
        help="A layer of your own that is claimed to compute what the target does, in place of a rewrite.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=SOURCE",
        help="Where a parameter of the candidate comes from, as in '1.weight=weight: o i kh kw -> o (i kh kw)'; may be "
        "repeated. Default: the parameter of the same name.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="PATTERN",
        help="How the candidate's output is laid out as the target's, as in 'b (h w) o -> b o h w, h=14'.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]


def with_candidate(case: Case, candidate: str | None, maps: Sequence[str] | None, layout: str | None) -> Case:
    """Return the case of a layer with a candidate.

    Raises:
        UsageError: there is none, or it cannot be compared; with a line for every fault.
        ConvcheckError: an option cannot be read.
    """
    from convcheck.config.parse_source import parse_source
    from convcheck.config.replacement import Replacement, parse_layout, replacement_problems
    from convcheck.layers import parse_layer

    if candidate is None:
        raise UsageError("--map and --layout are about a candidate; name it with --candidate")
    sources = {}
    for text in maps or ():
        name, sign, source = (part.strip() for part in text.partition("="))
        if not sign or name in sources:
            problem = "is a second one for this parameter" if sign else "has no '='"
            raise UsageError(f"--map {shown(text)} {problem}; write NAME=SOURCE once for every parameter")
        sources[name] = parse_source(source)
    own = Replacement(parse_layer(candidate), sources, parse_layout(layout) if layout is not None else None)
    problems = replacement_problems(case.layer, case.inputs, own)
    if faults := [f"{'.'.join(map(str, path))}: {text}" for path, text in problems]:
        raise UsageError("\n".join(faults))
    return replace(case, name=f"{case.name}-as-{own.layer.label()}", candidate=own)
