"""`convcheck rewrites`."""

from __future__ import annotations

from typing import Annotated

import typer

from convcheck.cli import completion, console, exit_codes, options, targets
from convcheck.cli.rewrite_figures import draw_rewrites
from convcheck.errors import UsageError
from convcheck.layers import Layer, kind_names, parse_layer, write_shapes
from convcheck.report.drawing import check_library
from convcheck.sizes.patterns import Shapes

Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|LAYER]",
        help="One rewrite, or a layer as torch prints it.",
        show_default=False,
        autocompletion=completion.subjects,
    ),
]
AllKinds = Annotated[
    bool,
    typer.Option(
        "--all", help="Of a layer, list rewrites for other kinds of layers, too.", rich_help_panel=options.SELECTION
    ),
]


LayerText = Annotated[
    str | None,
    typer.Argument(
        metavar="[LAYER]",
        help="Behind the name of a rewrite, the layer to print its code for.",
        show_default=False,
        autocompletion=completion.kinds,
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        "--order",
        metavar="AXES",
        help="In what order the code lays a patch out, such as 'kh kw i'.",
        show_default=False,
        rich_help_panel=options.SELECTION,
    ),
]


Figure = Annotated[
    str | None,
    typer.Option(
        "--figure",
        metavar="[DIR]",
        help="Draw where the rewrite moves inputs, weights and outputs into DIR/NAME.png, of all where none is named; "
        "takes matplotlib.",
        show_default=False,
        rich_help_panel="Output",
    ),
]


def rewrites(
    subject: Subject = None,
    layer: LayerText = None,
    input: options.Input = None,
    order: Order = None,
    all_kinds: AllKinds = False,
    figure: Figure = None,
    format: options.FormatOption = "table",
    color: options.Colour = "auto",
) -> None:
    """List the catalogue, explain one rewrite, or say which rewrites hold for a layer and why others do not.

    With both, print the rewrite of this very layer as code, which imports torch and einops only, with functions that
    convert state dicts.

    Examples:
      convcheck rewrites patchify-linear
      convcheck rewrites "Conv2d(3, 64, kernel_size=16, stride=16, padding=2)"
      convcheck rewrites patchify-linear "Conv2d(3, 64, 16, stride=16)" > new.py
      convcheck rewrites patchify-linear --figure pictures
    """
    of_layer = subject is not None and ("(" in subject or subject in kind_names())
    if figure is not None and (of_layer or layer is not None):
        raise UsageError("--figure goes with the name of a rewrite alone: convcheck rewrites NAME --figure DIR")
    if layer is not None:
        if of_layer:
            raise UsageError("two layers; the name of a rewrite comes first: convcheck rewrites NAME LAYER")
        if all_kinds:
            raise UsageError("--all goes with a layer alone: convcheck rewrites LAYER")
        assert subject is not None
        _print_code(subject, parse_layer(layer), input, order, as_json=format == "json")
    elif order is not None:
        raise UsageError("--order goes with a rewrite and a layer: convcheck rewrites NAME LAYER")
    elif of_layer:
        _print_offers(parse_layer(subject), input, all_kinds=all_kinds, as_json=format == "json")
    elif input or all_kinds:
        raise UsageError(f"{'-i' if input else '--all'} goes with a layer: convcheck rewrites LAYER")
    else:
        if figure is not None:
            check_library()
        _print_facts(subject, as_json=format == "json")
        if figure is not None:
            draw_rewrites(subject, figure)


def _shapes(layer: Layer, input: list[str] | None, depends: str) -> Shapes:
    """Return the inputs that are given, or the usual ones, which is said together with what `depends` on them."""
    shapes = targets.layer_case(layer, targets.parse_inputs(input)).inputs
    if not input:
        console.hint(f"no -i given, so this is taken: {write_shapes(shapes)}; {depends}")
    return shapes


def _print_code(name: str, layer: Layer, input: list[str] | None, order: str | None, *, as_json: bool) -> None:
    from convcheck.catalogue.applicability import take_away
    from convcheck.sizes.patterns import parse_order

    asked = None if order is None else parse_order(order)
    taken = take_away(name, layer, _shapes(layer, input, "the code of some rewrites depends on it"), asked)
    if as_json:
        from convcheck.report.json_text import json_object

        console.write(json_object(**vars(taken)))
    elif taken.code is not None:
        from convcheck.report.tables import rewrite_table

        console.show(console.stdout(), [rewrite_table.code(taken.code)])
    for reason in taken.reasons:
        console.hint(f"{name} does not hold: {reason}")
    raise typer.Exit(exit_codes.EXPECTED if taken.holds else exit_codes.UNEXPECTED)


def _print_offers(layer: Layer, input: list[str] | None, *, all_kinds: bool, as_json: bool) -> None:
    from convcheck.catalogue.applicability import offers

    offered = offers(layer, _shapes(layer, input, "some rewrites depend on it"))
    if as_json:
        from convcheck.report.json_text import json_object

        console.write(json_object(layer=str(layer), rewrites=offered))
    else:
        from convcheck.report.tables import rewrite_table

        console.show(console.stdout(), rewrite_table.applicability_tables(offered, all_kinds=all_kinds))


def _print_facts(name: str | None, *, as_json: bool) -> None:
    from convcheck.catalogue.applicability import facts
    from convcheck.catalogue.catalogue import catalogue

    described = [facts(one, code=name is not None or as_json) for one in ([name] if name else catalogue())]
    if as_json:
        from convcheck.report.json_text import json_object

        console.write(json_object(rewrites=described))
    else:
        from convcheck.report.tables import rewrite_table

        pages = rewrite_table.rewrite_page(described[0]) if name else rewrite_table.catalogue_tables(described)
        console.show(console.stdout(), pages)
