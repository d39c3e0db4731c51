"""`convcheck shape`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from convcheck.cli import console, options, own_code, shape_questions, targets
from convcheck.errors import UsageError
from convcheck.layers import write_shapes
from convcheck.sizes.conditions import collecting

if TYPE_CHECKING:
    from convcheck.calculator.figures import Row, Total
    from convcheck.config.checks import DType
    from convcheck.layers.user_code import UserCode
    from convcheck.sizes.conditions import Conditions
    from convcheck.sizes.patterns import Shapes


def shape(
    target: options.Targets = None,
    input: options.Input = None,
    explain: options.Explain = False,
    dtype: options.StoredAs = None,
    choose: options.Choose = None,
    output: shape_questions.Output = None,
    same: shape_questions.Same = False,
    sizes: shape_questions.Sizes = False,
    trust: own_code.Trust = False,
    list_only: options.List = False,
    format: options.FormatOption = "table",
    verbose: options.Columns = False,
    color: options.Colour = "auto",
) -> None:
    """Calculate output shapes, parameters, MACs, receptive fields, and input positions that are never read.

    Several layers make a chain; a Sequential is one, and so is what print(model) prints, read from standard input (-).

    Examples:
      convcheck shape "Conv2d(3, 64, 7, 2, 3)" "MaxPool2d(3, 2, 1)" -i b,3,H,W
      convcheck shape "Conv2d(3, 64, 7, 2, 3)" --output 1,64,112,112
      convcheck shape "models.py:Net()" -i 1,3,224,224 --trust
    """
    target, input = _with_lengths(target, input)
    if output is not None or same or sizes:
        if choose or list_only or explain or verbose or dtype:
            raise UsageError("--output, --same and --sizes take -i and -f; other options are about a table of shapes")
        shape_questions.print_answer(target, input, output, same=same, sizes=sizes, format=format)
        return
    targets.hint_shipped(target, "calculated")
    code = _code(target)
    parsed = targets.Targets((), ()) if code else targets.parse_targets(target)
    with collecting() as collected:
        rows: Sequence[Row]
        total: Total | None
        outputs: Shapes = ()
        if code:
            rows, total, outputs, notes = _of_code(code, input, dtype, trust=trust)
            chained = False
        else:
            rows, total, chained, notes = _rows(parsed, input, dtype, explained=explain)
    rows = targets.choose(rows, choose, _name)
    if list_only:
        console.print_names(map(_name, rows))
        return
    conditions = _said(collected)
    if format == "json":
        from convcheck.calculator.figures import FLOPS
        from convcheck.report.json_text import json_object

        ends = {"input": rows[0].input, "output": rows[-1].output} if chained else {"input": None, "output": None}
        known = {"total": total, "conditions": conditions, "conventions": {"flops": FLOPS}, "notes": notes}
        console.write(json_object(layers=rows, **ends, **known))
    else:
        from convcheck.report.tables import shape_table

        out = console.stdout()
        settings = {"verbose": verbose, "chained": chained}
        console.show(
            out, shape_table.shape_tables(rows, total, out, conditions=conditions, outputs=outputs, **settings)
        )
    parsed.refuse_unread()


def _with_lengths(words: Sequence[str] | None, inputs: Sequence[str] | None) -> tuple[list[str], list[str] | None]:
    """Return words and inputs of `-i 1 3 224 224`, of which a command line takes all but the first for targets."""
    numbers = [word for word in words or () if word.isdecimal()]
    if not numbers or inputs is None or len(inputs) != 1 or not inputs[0].isdecimal():
        return list(words or ()), None if inputs is None else list(inputs)
    return [word for word in words or () if word not in numbers], [",".join([inputs[0], *numbers])]


def _code(words: Sequence[str]) -> UserCode | None:
    """Return the code of the user's own that is asked about. Raises UsageError where it is not asked about alone."""
    from convcheck.layers.user_code import parse_user_code

    codes = [code for word in words if (code := parse_user_code(word)) is not None]
    if codes and len(words) > 1:
        raise UsageError(f"{codes[0]} is code of your own, whose layers are told by a run of it; ask about it alone")
    return codes[0] if codes else None


def _of_code(
    code: UserCode, inputs: Sequence[str] | None, dtype: DType | None, *, trust: bool
) -> tuple[Sequence[Row], Total, Shapes, tuple[str, ...]]:
    """Return the rows of a model as it calls its layers, its outputs, and notes; print the notes as well."""
    from convcheck.layers.user_code import untrusted

    if not trust:
        untrusted("by shape with --trust on the command line")(code)
    if not inputs:
        raise UsageError(
            "code does not say what it takes; add -i with the shape of every input, such as -i 1,3,224,224"
        )
    from convcheck.models.example import read_example
    from convcheck.models.layer_shapes import layer_shapes
    from convcheck.sides.user_sides import layer_of

    module = cast("Any", layer_of(code)).module
    rows, total, outputs, notes = layer_shapes(module, read_example(list(inputs)), dtype or "float32")
    for note in notes:
        console.hint(note)
    return rows, total, outputs, notes


def _said(collected: Conditions) -> list[str]:
    """Return what must hold of names for the answer to be right."""
    if not collected:
        return []
    from convcheck.sizes.strongest import strongest

    return list(map(str, strongest(collected)))


def _name(row: Row) -> str:
    return row.case or row.name or row.layer


def _rows(
    parsed: targets.Targets, inputs: Sequence[str] | None, dtype: DType | None, *, explained: bool
) -> tuple[Sequence[Row], Total | None, bool, tuple[str, ...]]:
    """Return the rows, their total, whether they are a chain (layers are, cases of configs are not), and notes.

    There is a total where there is more than one layer.
    """
    from convcheck.calculator.shapes import chain, shapes_of, total_of

    shapes = targets.parse_inputs(inputs, names=True)
    if parsed.files and parsed.layers:
        raise UsageError("configs and layers cannot be mixed here: layers make a chain, and configs bring their inputs")
    if not parsed.layers:
        if shapes is not None:
            raise UsageError("-i is the input of a layer on the command line; a config brings its own")
        return shapes_of(targets.read_cases(parsed.files), dtype=dtype, explained=explained), None, False, ()
    layers, names = parsed.chain()
    if shapes is None:
        from convcheck.layers import Sequential

        first = layers[0] if layers[0].INPUT_COUNTS != (1,) else Sequential("Sequential", layers)
        like = write_shapes(first.example_inputs())
        raise UsageError(f"an input's shape is needed; add -i, for example {like}")
    dtype = dtype or "float32"
    if parsed.is_open:
        from convcheck.calculator.as_far import chain_as_far

        answer = chain_as_far(layers, shapes, names, dtype=dtype, explained=explained)
        for note in filter(None, [answer.why]):
            console.hint(note)
        return answer.rows, answer.total, True, (*parsed.notes, *filter(None, [answer.why]))
    rows = chain(layers, shapes, names, dtype=dtype, explained=explained)
    return rows, total_of(layers, shapes, rows) if len(rows) > 1 else None, True, parsed.notes
