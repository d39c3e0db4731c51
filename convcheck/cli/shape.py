"""`convcheck shape`."""

from __future__ import annotations

from convcheck.cli import console, options, questions, targets
from convcheck.errors import UsageError


def shape(
    target: options.Targets = None,
    input: options.Input = None,
    choose: options.Choose = None,
    output: questions.Output = None,
    same: questions.Same = False,
    sizes: questions.Sizes = False,
    list_only: options.List = False,
    format: options.FormatOption = "table",
) -> None:
    """Calculate output shapes, MACs, and input positions that are never read. Several layers make a chain.

    Examples:
      convcheck shape

      convcheck shape "Conv2d(3, 1152, kernel_size=14, stride=14, padding='valid')" -i 1,3,384,384

      convcheck shape "Conv2d(3, 64, 7, stride=2, padding=3)" "MaxPool2d(3, 2, 1)" --output 1,64,56,56
    """
    if output is not None or same or sizes:
        if choose or list_only:
            raise UsageError("-k and --list choose rows of a table; an answer to --output, --same or --sizes has none")
        questions.answer(target, input, output, same=same, sizes=sizes, format=format)
        return
    rows, chained = targets.shapes(target, input, choose)
    if list_only:
        for row in rows:
            console.write(row.case or row.layer)
    elif format == "json":
        from convcheck.report import as_json

        console.write(as_json.shaped(rows, chained=chained))
    else:
        from convcheck.report import table

        out = console.stdout()
        console.show(out, table.shaped(rows, out))
