"""`convcheck shape`."""

from __future__ import annotations

from convcheck.cli import console, options, targets


def shape(
    target: options.Targets = None,
    input: options.Input = None,
    choose: options.Choose = None,
    list_only: options.List = False,
    format: options.FormatOption = "table",
) -> None:
    """Calculate output shapes, MACs, and input positions that are never read. Several layers make a chain.

    Examples:
      convcheck shape

      convcheck shape "Conv2d(3, 1152, kernel_size=14, stride=14, padding='valid')" -i 1,3,384,384
    """
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
