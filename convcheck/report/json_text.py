"""JSON as convcheck writes it: no number that JSON cannot hold, and no control character."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from convcheck.errors import Fault
from convcheck.results import Finding
from convcheck.sizes.lengths import Length

SCHEMA = 1


def json_object(**fields: object) -> str:
    """Return the object that a command prints: the number of its schema, then these fields."""
    return json_text({"schema": SCHEMA, **fields}, indent=2)


def fault_fields(fault: Fault) -> dict[str, object]:
    """Return a fault of a config as JSON has it; `key` is the path of keys to what is wrong, empty for the file."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "key": fault.path,
        "message": fault.message,
    }


def json_text(value: object, indent: int | None = None) -> str:
    """Return JSON text, on one line if there is no indent; letters of all scripts are kept, and controls spelt out."""
    # The pytest plugin and tables import this package's siblings sooner than anybody needs json.
    import json

    text = json.dumps(_jsonable(value), indent=indent, allow_nan=False, ensure_ascii=False)
    # Only strings hold such characters, and there JSON spells every one of them out.
    return re.sub(
        r"[^\x20-\x7e\n]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text
    )


def _jsonable(value: object) -> object:
    """Return a value made of what JSON has; a number that is infinite or NaN is null."""
    if isinstance(value, (Finding, Length)):
        return _jsonable(str(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _jsonable(entry) for name, entry in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        # Half of a pair, as in the name of a file that is not UTF-8, is no letter, and strict readers refuse it.
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _fields(value: object) -> Iterator[tuple[str, object]]:
    """Yield the fields of a dataclass; where reasons have a text of them all, it stands before the reasons.

    What has no repr is a text for people.
    """
    for field in dataclasses.fields(value):  # type: ignore[arg-type]  # the caller knows that it is one
        if not field.repr:
            continue
        if field.name == "reasons" and hasattr(value, "reason"):
            yield "reason", value.reason
        yield field.name, getattr(value, field.name)
