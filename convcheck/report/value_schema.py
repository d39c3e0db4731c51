"""The JSON Schema of a value's type, as `convcheck.report.json_text` writes values of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from convcheck.results import Finding, Sides

Schema = dict[str, Any]

_SIMPLE: Mapping[type, Schema] = {
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Finding: {"type": "string"},
}

_LATE = {"Fraction": float}
"""Names that modules import for type checkers only, and what they are in JSON."""


class Schemas:
    """Schemas of types; those of dataclasses are collected as `definitions`, by the names of their classes.

    With `formulas`, a text may stand in place of every whole number, as where lengths have names.
    """

    def __init__(self, *, formulas: bool = False) -> None:
        self.definitions: Schema = {}
        self._integer: Schema = {"type": ["integer", "string"]} if formulas else {"type": "integer"}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type."""
        if kind is int:
            return dict(self._integer)
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Sides:
            return closed(dict.fromkeys(("reference", "candidate"), self.of(arguments[0])))
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(one) for one in arguments]}
        if origin is tuple:
            return self._tuple(arguments)
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"enum": [str(one) for one in kind]}
        assert dataclasses.is_dataclass(kind), kind
        return self._defined(kind)

    def _tuple(self, kinds: tuple[Any, ...]) -> Schema:
        if kinds[1:] == (Ellipsis,):
            return {"type": "array", "items": self.of(kinds[0])}
        return {
            "type": "array",
            "prefixItems": [self.of(one) for one in kinds],
            "minItems": len(kinds),
            "maxItems": len(kinds),
        }

    def _defined(self, kind: Any) -> Schema:
        name = kind.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # A layer of a chain holds layers.
            self.definitions[name] = closed(self.fields(kind))
        return {"$ref": f"#/$defs/{name}"}

    def fields(self, kind: Any, without: Collection[str] = ()) -> Schema:
        """Return the schemas of a dataclass's fields, as they are written."""
        hints = get_type_hints(kind, localns=_LATE)
        made: Schema = {}
        for field in dataclasses.fields(kind):
            if not field.repr or field.name in without:
                continue
            if field.name == "reasons" and hasattr(kind, "reason"):
                made["reason"] = self.of(str | None)
            made[field.name] = self.of(hints[field.name])
        return made


def closed(properties: Schema) -> Schema:
    """Return the schema of an object in which all of these fields are there; what could not be computed is null."""
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def listed(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def by_name(value: Schema) -> Schema:
    """Return the schema of an object whose names are free."""
    return {"type": "object", "additionalProperties": value}
