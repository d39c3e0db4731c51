"""`convcheck rewrites`."""

from __future__ import annotations

from typing import Annotated

import typer

from convcheck.cli import completion, console, options, targets
from convcheck.errors import UsageError
from convcheck.layers import kind_names, parse_layer, write_shapes

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


def rewrites(
    subject: Subject = None,
    input: options.Input = None,
    all_kinds: AllKinds = False,
    format: options.FormatOption = "table",
    color: options.Colour = "auto",
) -> None:
    """List the catalogue, explain one rewrite, or say which rewrites hold for a layer and why others do not.

    Examples:
      convcheck rewrites patchify-linear
      convcheck rewrites "Conv2d(3, 64, kernel_size=16, stride=16, padding=2)"
    """
    from convcheck.catalogue.applicability import facts, offers
    from convcheck.catalogue.catalogue import catalogue

    out = console.stdout()
    if subject is not None and ("(" in subject or subject in kind_names()):
        layer = parse_layer(subject)
        shapes = targets.layer_case(layer, targets.parse_inputs(input)).inputs
        if not input:
            console.hint(f"no -i given, so this is taken: {write_shapes(shapes)}; some rewrites depend on it")
        offered = offers(layer, shapes)
        if format == "json":
            from convcheck.report.json_text import json_object

            console.write(json_object(layer=str(layer), rewrites=offered))
        else:
            from convcheck.report.tables import rewrite_table

            console.show(out, rewrite_table.applicability_tables(offered, all_kinds=all_kinds))
        return
    if input or all_kinds:
        raise UsageError(f"{'-i' if input else '--all'} goes with a layer: convcheck rewrites LAYER")
    coded = subject is not None or format == "json"
    described = [facts(name, code=coded) for name in ([subject] if subject else catalogue())]
    if format == "json":
        from convcheck.report.json_text import json_object

        console.write(json_object(rewrites=described))
    else:
        from convcheck.report.tables import rewrite_table

        pages = rewrite_table.rewrite_page(described[0]) if subject else rewrite_table.catalogue_tables(described)
        console.show(out, pages)
