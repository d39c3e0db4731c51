"""The config as a JSON Schema, by which editors complete keys and mark faults while one writes.

It is made from the pydantic models, so no key can be missing here. What it cannot say is left to the loader: what is
in a text (a layer, a pattern), and what depends on more than one value (shapes that fit, names that differ). JSON has
one kind of number, so that 4.0 is a whole one here, and none in a config.
"""

from __future__ import annotations

from typing import Any

from convcheck.config.case import Vocabulary
from convcheck.config.input_specs import KINDS
from convcheck.config.model import DEFINITION, REFERENCE, CaseModel
from convcheck.config.own_values import OWN, SIDES
from convcheck.config.schema_layers import LAYER
from convcheck.sizes.limits import MAX_AXES, MAX_INT64

Schema = dict[str, Any]

_TEMPLATE: Schema = {"$ref": "#/$defs/template"}

_WRITTEN = r"((torch\.)?Size\(\s*)?[\[(]?\s*([0-9]+(\s*[,x]\s*[0-9]+)*|[0-9]+(\s+[0-9]+)+)\s*,?\s*[\])]?\s*\)?\s*$"
_WRITTEN_SHAPE = rf"^\s*{_WRITTEN}"
_STORED = r".*\.[sS][aA][fF][eE][tT][eE][nN][sS][oO][rR][sS]:.+$"
_WRITTEN_INPUT = rf"^\s*([A-Za-z_]\w*\s*=)?\s*({_STORED}|(({'|'.join(KINDS)})\s+)?{_WRITTEN})"

_SHAPE: Schema = {
    "anyOf": [
        {"type": "string", "pattern": _WRITTEN_SHAPE},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_AXES,
            "items": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_INT64}, _TEMPLATE]},
        },
        _TEMPLATE,
    ]
}


_INPUT: Schema = {"anyOf": [{"type": "string", "pattern": _WRITTEN_INPUT}, {"$ref": "#/$defs/shape"}]}


def schema(vocabulary: Vocabulary) -> Schema:
    """Return the JSON Schema (2020-12) of a config that may name these rewrites."""
    made = CaseModel.model_json_schema(ref_template="#/$defs/{model}")
    definitions: Schema = {
        **made.pop("$defs", {}),
        "template": {
            "description": "A text with a variable of the matrix in it, which stands for any value.",
            "type": "string",
            "pattern": r"\{[A-Za-z_]\w*\}",
        },
        "shape": _SHAPE,
        "inputs": {"anyOf": [_INPUT, _several(_INPUT)]},
        "rewrite": _rewrite(vocabulary),
        "layer": LAYER,
        "weights": _WEIGHTS,
    }
    definitions = {name: _opened(definition) for name, definition in definitions.items()}
    keys: Schema = _opened(made)["properties"]
    reference = {**keys["layer"], "description": "The layer, as it may be called beside a candidate."}
    keys = {**keys, REFERENCE: reference, "map": _or_text(keys["map"], {"type": "string", "pattern": r":\s*[A-Za-z_]"})}
    case = {**_MAPPING, "description": "One case: a layer, and what is claimed about it."}
    definitions["case"] = {**case, "properties": {**keys, "matrix": _matrix(keys)}}
    definitions["defaults"] = {**_MAPPING, "description": _DEFAULTS, "properties": keys}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:convcheck:config",
        "title": "convcheck config",
        "description": "Layers and their rewrites, which `convcheck verify` proves to be equal.",
        **_MAPPING,
        "required": ["cases"],
        "properties": {
            "defaults": {
                "description": _DEFAULTS,
                "examples": [{"dtype": "float32"}],
                "anyOf": [{"$ref": "#/$defs/defaults"}, {"type": "null"}],
            },
            "cases": {
                "description": "The cases, in the order in which they are run.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/case"},
            },
        },
        "allOf": [
            _unless_a_default(
                ["layer"],
                {"anyOf": [_needs(*path) for key in ("layer", REFERENCE) for path in ((key,), ("matrix", key))]},
            ),
            _unless_a_default(
                ["weights", "file"],
                {
                    "properties": {
                        "weights": {"anyOf": [{"const": OWN}, {"required": ["file"]}, {"required": [*SIDES]}]}
                    }
                },
            ),
        ],
        "$defs": definitions,
    }


_SHOWN = ("description", "default", "examples")
_MAPPING: Schema = {"type": "object", "additionalProperties": False}
_DEFAULTS = "Keys of a case that are merged under every case."
_WEIGHTS_FILE: Schema = {
    "type": "object",
    "properties": {
        "file": {
            "description": "The path of the file, from the config's own folder.",
            "type": "string",
            "pattern": r"\.[sS][aA][fF][eE][tT][eE][nN][sS][oO][rR][sS]$",
            "examples": ["model.safetensors"],
        }
    },
    "additionalProperties": {"type": "string"},
}
_CHECKPOINT: Schema = {
    "description": "The path of a checkpoint, from the config's own folder, and behind a colon where the side stands "
    "in it.",
    "type": "string",
    "examples": ["model.safetensors", "model.safetensors:visual.patch_embed"],
}
_CHECKPOINTS: Schema = {**_MAPPING, "properties": dict.fromkeys(SIDES, _CHECKPOINT)}
_WEIGHTS: Schema = {"anyOf": [_WEIGHTS_FILE, _CHECKPOINTS, {"const": OWN}]}


def _or_text(key: Schema, text: Schema) -> Schema:
    """Return the schema of a key that may be a text, too; what editors show stays outside."""
    shown = {name: entry for name, entry in key.items() if name in _SHOWN}
    return {**shown, "anyOf": [{name: entry for name, entry in key.items() if name not in _SHOWN}, text]}


def _several(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _rewrite(vocabulary: Vocabulary) -> Schema:
    names = {"enum": list(vocabulary.rewrites)}
    every = {"const": "all"}
    return {
        "anyOf": [names, every, {**_several(names), "uniqueItems": True}, {**_several(every), "maxItems": 1}],
    }


def _matrix(keys: Schema) -> Schema:
    return {
        "description": "Variables and their values: the case is run in every combination. A variable stands as {name} "
        "in any text of the case; one that is called like a key sets that key.",
        "examples": [{"p": [4, 8, 16], "dtype": ["float32", "bfloat16"]}],
        "type": ["object", "null"],
        "properties": {
            name: {**_several(value), "description": f"Values for the key {name}. {value['description']}"}
            for name, value in keys.items()
        },
        "additionalProperties": {"type": "array", "minItems": 1},
    }


def _needs(*path: str) -> Schema:
    """Return the schema of a mapping in which there is something at a path."""
    first, *rest = path
    return {"required": [first], **({"properties": {first: _needs(*rest)}} if rest else {})}


def _unless_a_default(path: list[str], of_a_case: Schema) -> Schema:
    """Return the schema of a config that has something in its defaults, or else in every case."""
    return {"if": _needs("defaults", *path), "else": {"properties": {"cases": {"items": of_a_case}}}}


def _opened(schema: Schema) -> Schema:
    """Return a schema in which a text with a variable may stand in place of every value."""
    made: Schema = {}
    for name, entry in schema.items():
        if name == "properties":
            made[name] = {key: _or_template(value) for key, value in entry.items()}
        elif name in ("items", "additionalProperties") and isinstance(entry, dict):
            made[name] = _or_template(entry)
        elif name in ("anyOf", "allOf"):
            made[name] = list(map(_opened, entry))
        elif name == "then":
            made[name] = _opened(entry)
        elif name == DEFINITION:
            made["$ref"] = f"#/$defs/{entry}"
        elif name != "title" and entry is not None:
            # Titles are pydantic's, and say what the key says.
            made[name] = entry
    return made


def _or_template(schema: Schema) -> Schema:
    """Return the schema of a value or a template; what editors show stands outside of the choice."""
    made = _opened(schema)
    shown = {name: made.pop(name) for name in _SHOWN if name in made}
    if not made:
        return shown
    choice = made["anyOf"] if set(made) == {"anyOf"} else [made]
    return {**shown, "anyOf": choice if _TEMPLATE in choice else [*choice, _TEMPLATE]}
