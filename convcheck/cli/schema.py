"""`convcheck schema`."""

from __future__ import annotations

import json

from convcheck.cli import console


def schema() -> None:
    """Print the JSON Schema of configs, by which editors complete keys, explain them, and mark faults.

    Examples:
      convcheck schema
      convcheck schema > convcheck.schema.json
    """
    from convcheck.catalogue.catalogue import vocabulary
    from convcheck.config.json_schema import schema as made

    console.write(json.dumps(made(vocabulary()), indent=2))
