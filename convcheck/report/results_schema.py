"""The results of `verify -f json` as a JSON Schema, made from the values that they are printed from."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from convcheck.report.json_text import SCHEMA
from convcheck.results import Result, SizesProof, Tool, Verdict

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNTS = ("total", *map(str, Verdict), "unexpected")


def results_schema() -> Schema:
    """Return the JSON Schema (2020-12) of what `verify -f json` prints where its configs can be read."""
    result, tool = _made(Result), _made(Tool)
    # Findings are printed as their texts, and those of all reasons as one, too.
    definitions = {**result.pop("$defs"), "Finding": _TEXT, "Tool": tool}
    del definitions["Kind"]
    for kind, made in ((SizesProof, definitions[SizesProof.__name__]), (Result, result)):
        for field in fields(kind):
            if not field.repr:
                # As `convcheck.report.json_text` leaves it out.
                del made["properties"][field.name]
    result["properties"]["reason"] = {"anyOf": [_TEXT, {"type": "null"}]}
    definitions["Result"] = result
    named = _named_by(definitions, "Result", "Tool")
    definitions = {name: definition for name, definition in definitions.items() if name in named}
    for definition in definitions.values():
        if "properties" in definition:
            # What could not be computed is null, and there.
            definition["required"] = sorted(definition["properties"])
    properties = {
        "schema": {"const": SCHEMA},
        "tool": {"$ref": "#/$defs/Tool"},
        "ok": {"type": "boolean"},
        "interrupted": {"type": "boolean"},
        "untried": _COUNT,
        "summary": {"type": "object", "properties": dict.fromkeys(_COUNTS, _COUNT), "required": [*_COUNTS]},
        "results": {"type": "array", "items": {"$ref": "#/$defs/Result"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "results of convcheck",
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "$defs": definitions,
    }


def _named_by(definitions: Schema, *names: str) -> Set[str]:
    """Return these names, and those of all definitions that they refer to."""
    found, new = set[str](), list(names)
    while new:
        name = new.pop()
        if name not in found:
            found.add(name)
            new += [reference.rpartition("/")[2] for reference in _references(definitions[name])]
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _references(one)


def _made(kind: type) -> Schema:
    return _plain(TypeAdapter(kind).json_schema(mode="serialization"))


def _plain(schema: Schema) -> Schema:
    """Return a schema without the titles and defaults that pydantic adds."""
    plain = {key: value for key, value in schema.items() if key == "properties" or key not in ("title", "default")}
    return {key: _within(value, named=key in ("properties", "$defs")) for key, value in plain.items()}


def _within(value: Any, *, named: bool) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()} if named else _plain(value)
    return [_plain(one) if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value
