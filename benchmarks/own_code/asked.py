"""What users would ask of convcheck about a pair."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.own_code.plain import Entry


def asked_of(entry: Entry) -> tuple[Any, Any, dict[str, Any]]:
    """Return what its user asks of `convcheck.verify` in Python: layers as text, and code as modules."""
    modules = [side.to(torch.float32) for side in entry.sides()]
    sides = zip(entry.texts, modules, strict=True)
    reference, candidate = (module if ":" in text else text for text, module in sides)
    pair = entry.pair
    options: dict[str, Any] = {"candidate": candidate, "map": dict(entry.map) or None, "layout": pair.layout}
    # What is not said is not handed over, as in a user's call.
    options |= {name: one for name, one in (("map_by", entry.map_by), ("select", pair.select)) if one is not None}
    plain = all(text.replace(",", "").isdigit() for text in pair.inputs)
    inputs: Any = [[int(size) for size in text.split(",")] for text in pair.inputs] if plain else list(pair.inputs)
    return reference, inputs, options
