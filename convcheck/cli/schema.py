"""`convcheck schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from convcheck.cli import completion, console
from convcheck.errors import UsageError, did_you_mean, shown


def schema(
    *,
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMMAND]",
            help="Behind --results, the command whose results they are. Default: verify.",
            show_default=False,
            autocompletion=completion.commands_with_results,
        ),
    ] = None,
    results: Annotated[bool, typer.Option("--results", help="That of what a command prints with -f json.")] = False,
) -> None:
    """Print the JSON Schema of configs, by which editors complete keys, explain them, and mark faults.

    Examples:
      convcheck schema > convcheck.schema.json
      convcheck schema --results > results.schema.json
      convcheck schema --results scan
    """
    if results:
        from convcheck.report.results_schema import DOCUMENTS, results_schema

        if command is not None and command not in DOCUMENTS:
            raise UsageError(f"{shown(command)} prints no results; {did_you_mean(command, DOCUMENTS)}")
        console.write(json.dumps(results_schema(command or "verify"), indent=2))
        return
    if command is not None:
        raise UsageError(f"{shown(command)} goes with --results, as in: convcheck schema --results verify")
    from convcheck.catalogue.catalogue import vocabulary
    from convcheck.config.json_schema import schema as made

    console.write(json.dumps(made(vocabulary()), indent=2))
