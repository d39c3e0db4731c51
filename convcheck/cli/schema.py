"""`convcheck schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from convcheck.cli import console


def schema(
    *,
    results: Annotated[bool, typer.Option("--results", help="That of what verify -f json prints.")] = False,
) -> None:
    """Print the JSON Schema of configs, by which editors complete keys, explain them, and mark faults.

    Examples:
      convcheck schema
      convcheck schema > convcheck.schema.json
      convcheck schema --results > results.schema.json
    """
    if results:
        from convcheck.report.results_schema import results_schema

        console.write(json.dumps(results_schema(), indent=2))
        return
    from convcheck.catalogue.catalogue import vocabulary
    from convcheck.config.json_schema import schema as made

    console.write(json.dumps(made(vocabulary()), indent=2))
