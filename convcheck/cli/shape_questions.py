"""What `convcheck shape` is asked beyond a table of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from convcheck.calculator.formulas import has_names
from convcheck.cli import console, exit_codes, options, targets
from convcheck.errors import UsageError

if TYPE_CHECKING:
    from convcheck.calculator.answers import Answer
    from convcheck.layers import Layer
    from convcheck.sizes.patterns import Shape

_BACKWARDS = "Backwards"

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="SHAPE",
        help="Answer backwards: all inputs that give this output; with -i, which padding or stride would. "
        "Exit code 1 if none does, or if -i gives another output.",
        show_default=False,
        rich_help_panel=_BACKWARDS,
    ),
]
Same = Annotated[
    bool,
    typer.Option(
        "--same",
        help="Write padding 'same' out for a convolution or pool of any stride, as torch and TensorFlow have it.",
        rich_help_panel=_BACKWARDS,
    ),
]
Sizes = Annotated[
    bool,
    typer.Option(
        "--sizes",
        help="All output sizes that may be asked of transposed layers, with -i.",
        rich_help_panel=_BACKWARDS,
    ),
]


def print_answer(
    words: Sequence[str] | None,
    inputs: Sequence[str] | None,
    output: str | None,
    *,
    same: bool,
    sizes: bool,
    format: options.Format,
) -> None:
    """Print the answer to the one question that is asked.

    Raises:
        UsageError: several are asked, or about something else than layers.
        typer.Exit: with code 1, if the answer is that there is none.
    """
    parsed = targets.parse_targets(words)
    answer = _answer(parsed, inputs, output, same=same, sizes=sizes)
    if format == "json":
        from convcheck.report.json_text import json_object

        fields = {"question": answer.question, "found": answer.found, **vars(answer)}
        console.write(json_object(**{**fields, "notes": (*fields.get("notes", ()), *parsed.notes)}))
    else:
        from convcheck.report.tables.answer_table import answer_tables

        out = console.stdout()
        console.show(out, answer_tables(answer, out))
    if not answer.found:
        raise typer.Exit(exit_codes.UNEXPECTED)


def _answer(
    parsed: targets.Targets, inputs: Sequence[str] | None, output: str | None, *, same: bool, sizes: bool
) -> Answer:
    asked = [name for name, it in (("--output", output is not None), ("--same", same), ("--sizes", sizes)) if it]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are questions of their own; ask one at a time")
    layers, shape = _layers(parsed, asked[0]), _input(inputs)
    if output is not None:
        return _backwards(layers, shape, output)
    if same:
        from convcheck.calculator.questions.same import same_for

        return same_for(layers, shape)
    if shape is None:
        raise UsageError("--sizes depends on the input's shape; add -i")
    from convcheck.calculator.questions.transposed_sizes import sizes_for

    return sizes_for(layers, shape)


def _backwards(layers: Sequence[Layer], shape: Shape | None, output: str) -> Answer:
    from convcheck.layers import parse_shape

    wanted = parse_shape(output)
    if shape is None:
        from convcheck.calculator.questions.inputs import inputs_for

        return inputs_for(layers, wanted)
    from convcheck.calculator.questions.changes import changes_for

    return changes_for(layers, shape, wanted)


def _layers(parsed: targets.Targets, option: str) -> Sequence[Layer]:
    if parsed.files:
        raise UsageError(f"{option} asks about layers on the command line, such as 'Conv2d(3, 64, 7, stride=2)'")
    parsed.refuse_unread()
    return parsed.chain()[0]


def _input(inputs: Sequence[str] | None) -> Shape | None:
    if inputs and any(map(has_names, inputs)):
        raise UsageError("this question takes an input of numbers; names such as H are for a table of shapes")
    shapes = targets.parse_inputs(inputs)
    if shapes is not None and len(shapes) > 1:
        raise UsageError("only layers of one input can be asked about; give -i once")
    return shapes[0] if shapes else None
