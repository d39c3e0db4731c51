"""The JSON Schema of a layer written as a mapping: torch's arguments, kind by kind."""

from __future__ import annotations

from typing import Any

from convcheck.layers import kind_names
from convcheck.layers.families import family_of
from convcheck.layers.text.arguments import REQUIRED, Argument

Schema = dict[str, Any]


def _layer() -> Schema:
    families: dict[Any, list[str]] = {}
    for kind in kind_names():
        families.setdefault(family_of(kind), []).append(kind)
    return {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "required": ["op"],
                "properties": {"op": _op(kind_names())},
                "allOf": [
                    {
                        "if": {"required": ["op"], "properties": {"op": {"enum": names}}},
                        "then": _arguments(family, names),
                    }
                    for family, names in families.items()
                ],
            },
        ]
    }


def _op(names: Any) -> Schema:
    return {
        "description": "The kind of layer, as torch calls it.",
        "enum": list(names),
        "examples": [next(iter(names))],
    }


def _arguments(family: Any, names: list[str]) -> Schema:
    """Return what a mapping of one of these kinds may hold besides its kind."""
    title = " or ".join(names)
    if family.IS_CONTAINER:
        layer = {"$ref": "#/$defs/layer"}
        layers = {"anyOf": [{"type": "array", "minItems": 1, "items": layer}, layer]}
        known: Schema = {"layers": {"description": f"The layers of {title}, in order.", **layers}}
        needed = ["layers"]
    else:
        known = {argument.name: _argument(argument, title) for argument in family.SIGNATURE}
        needed = [argument.name for argument in family.SIGNATURE if argument.default is REQUIRED]
    more = family.KEYWORDS is not None
    return {"properties": {"op": _op(names), **known}, "required": needed, "additionalProperties": more}


def _argument(argument: Argument, title: str) -> Schema:
    needed = argument.default is REQUIRED
    description = f"{argument.name} of {title}, as in torch" + ("." if needed else f". Default: {argument.default}.")
    return {"description": description}


LAYER = _layer()
