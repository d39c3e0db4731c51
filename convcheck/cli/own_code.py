"""The options of a candidate of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from convcheck.cli import targets
from convcheck.errors import UsageError, shown

if TYPE_CHECKING:
    from convcheck.config.case import Case, CodeLoader, MapLoader
    from convcheck.config.replacement import MapFunction

_OWN = "Your own code"

Candidate = Annotated[
    str | None,
    typer.Option(
        "--candidate",
        metavar="SIDE",
        help="A layer, or code such as mine.py:Patches(), that is claimed to compute what the target does, in "
        "place of a rewrite.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=SOURCE",
        help="Where a parameter of the candidate comes from, as in 'proj.weight=weight: o i kh kw -> o (i kh "
        "kw)'; may be repeated. Default: the parameter of the same name.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
MapBy = Annotated[
    str | None,
    typer.Option(
        "--map-by",
        metavar="CODE",
        help="In place of --map a function, as in mine.py:convert, from the target's state dict to the "
        "candidate's. Needs --trust.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="PATTERN",
        help="How the candidate's output becomes the target's, as in 'b (h w) o -> b o h w, h=14'.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]


Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Import and run path/to/file.py:name(args) and package.module:name(args). Without it they are "
        "refused, and nothing is imported.",
        rich_help_panel=_OWN,
    ),
]
Select = Annotated[
    str | None,
    typer.Option(
        "--select",
        metavar="OUTPUT",
        help="Which output of code is compared, where there are several: its number, such as 0, or its name.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]
Train = Annotated[
    bool,
    typer.Option("--train", help="Compare code in training mode. Default: eval mode.", rich_help_panel=_OWN),
]


OwnWeights = Annotated[
    bool,
    typer.Option(
        "--own-weights",
        help="Compare what both sides hold as well: the candidate's weights with the target's, mapped.",
        rich_help_panel=_OWN,
    ),
]


Weights = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--weights",
        metavar="REF CAND",
        help="Compare what two checkpoints hold, the target's and the candidate's: each a file of safetensors, an "
        "index or .pt, and behind a colon where the side stands in it, such as model.safetensors:visual.patch_embed.",
        show_default=False,
        rich_help_panel=_OWN,
    ),
]


class Given(NamedTuple):
    """What a command line says of code."""

    candidate: str | None
    map: list[str] | None
    map_by: str | None
    layout: str | None
    select: str | None
    train: bool
    trust: bool


def read_cases(
    words: list[str] | None, inputs: list[str] | None, rewrites: list[str] | None, given: Given
) -> list[Case]:
    """Return the cases of targets, with the candidate of the user's own where one is given.

    Raises:
        ConvcheckError: a target or an option cannot be read, or they do not go together.
    """
    from convcheck.layers.user_code import WAY_OF_TRUST, is_code
    from convcheck.sides.user_sides import code_loader, map_loader

    load_code = code_loader(trust=given.trust, way=WAY_OF_TRUST)
    load_map = map_loader(trust=given.trust, way=WAY_OF_TRUST)
    parsed = targets.parse_targets(words, load_code)
    has_code = any(is_code(word) for word in (*(words or ()), given.candidate))
    if has_code and given.candidate is None:
        raise UsageError("code is compared with a candidate of your own; name it with --candidate")
    cases = targets.cases_of(parsed, inputs, load_code, load_map, has_code=has_code)
    if given.candidate or given.map or given.map_by or given.layout:
        if parsed.count != 1 or parsed.files or rewrites:
            raise UsageError("--candidate goes with one layer, the reference, and without -r")
        by = map_function(given.map_by, load_map)
        cases = [with_candidate(cases[0], given.candidate, given.map, by, given.layout, load_code)]
    return with_choices(cases, given.select, given.train)


def map_function(written: str | None, load_map: MapLoader) -> MapFunction | None:
    """Return the function that makes the candidate's state dict.

    Raises:
        ConvcheckError: it is no code, is not trusted, or cannot be loaded.
    """
    if written is None:
        return None
    from convcheck.layers.user_code import parse_user_code

    code = parse_user_code(written)
    if code is None:
        raise UsageError(f"--map-by {shown(written)} is no code; write path/to/file.py:function")
    return load_map(code)


def with_own_weights(
    cases: Sequence[Case], files: tuple[str, str] | None, rewrites: Sequence[str] | None
) -> list[Case]:
    """Return the cases with the tensors that both sides hold, those of checkpoints where there are some.

    The other side of a checkpoint may be one of `rewrites`.

    Raises:
        ConvcheckError: a side holds none, or a checkpoint is not that of its side.
    """
    from convcheck.results import Sides

    if files is not None:
        from convcheck.catalogue.catalogue import find
        from convcheck.checkpoints.held import with_checkpoints

        if len(cases) != 1 or cases[0].config is not None:
            raise UsageError("--weights goes with one layer, the reference; a config names them in `weights`")
        for name in rewrites or ():
            find(name)
        return [with_checkpoints(replace(cases[0], rewrites=tuple(rewrites) if rewrites else None), Sides(*files))]
    compared = []
    for case in cases:
        if case.candidate is None:
            raise UsageError("--own-weights compares two sides of your own; name the other one with --candidate")
        held = [layer.held_tensors() for layer in (case.layer, case.candidate.layer)]
        if held[0] is None or held[1] is None:
            text = case.layer if held[0] is None else case.candidate.layer
            ways = "write both sides as code, or name their checkpoints with --weights"
            raise UsageError(f"--own-weights: {text} is text, which holds no weights; {ways}")
        compared.append(replace(case, held=Sides(held[0], held[1])))
    return compared


def with_choices(cases: Sequence[Case], select: str | None, train: bool) -> list[Case]:
    """Return the cases; those with code get what was asked for it.

    Raises:
        UsageError: no case has code that could do what is asked.
    """
    if select is None and not train:
        return list(cases)
    from convcheck.config.checks import check_select
    from convcheck.config.input_specs import needless

    which = None if select is None else check_select(select)
    if not any(case.has_code for case in cases):
        raise UsageError("\n".join(f"--{key}: {text}" for key, text in needless((), which, train=train)))
    return [
        replace(case, select=case.select if which is None else which, train=case.train or train)
        if case.has_code
        else case
        for case in cases
    ]


def with_candidate(
    case: Case,
    candidate: str | None,
    maps: Sequence[str] | None,
    map_by: MapFunction | None,
    layout: str | None,
    load_code: CodeLoader,
) -> Case:
    """Return the case of a layer with a candidate.

    Raises:
        UsageError: there is none, or it cannot be compared; with a line for every fault.
        ConvcheckError: an option cannot be read.
    """
    from convcheck.config.case import parse_side
    from convcheck.config.parse_source import parse_source
    from convcheck.config.replacement import Replacement, parse_layout, replacement_problems

    if candidate is None:
        raise UsageError("--map, --map-by and --layout are about a candidate; name it with --candidate")
    sources = {}
    for text in maps or ():
        name, sign, source = (part.strip() for part in text.partition("="))
        if not sign or name in sources:
            problem = "is a second one for this parameter" if sign else "has no '='"
            raise UsageError(f"--map {shown(text)} {problem}; write NAME=SOURCE once for every parameter")
        sources[name] = parse_source(source)
    laid_out = parse_layout(layout) if layout is not None else None
    own = Replacement(parse_side(candidate, load_code), sources, laid_out, map_by)
    problems = replacement_problems(case.layer, case.inputs, own)
    if faults := [f"{'.'.join(map(str, path))}: {text}" for path, text in problems]:
        raise UsageError("\n".join(faults))
    return replace(case, name=f"{case.name}-as-{own.layer.label()}", candidate=own)
