"""Values and texts made plain: what JSON can hold, and what no terminal, page or parser acts upon."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from fractions import Fraction

from convcheck.errors import escape_line as escape_line
from convcheck.results import Finding, Result
from convcheck.sizes.lengths import Length


def plain(value: object) -> object:
    """Return a value as JSON has it; numbers that JSON cannot hold are null."""
    if isinstance(value, Finding):
        return plain(str(value))
    if isinstance(value, Result):
        return _result(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, Length):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        # Half of a pair, as in the name of a file that is not UTF-8, is no letter, and strict readers refuse it.
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _result(result: Result) -> dict[str, object]:
    """Return a result as JSON has it: all reasons as one text stand before the reasons one by one."""
    found: dict[str, object] = {}
    for field in dataclasses.fields(result):
        if field.name == "reasons":
            found["reason"] = plain(result.reason)
        found[field.name] = plain(getattr(result, field.name))
    return found


def written(value: object, indent: int | None = None) -> str:
    """Return JSON text, on one line if there is no indent; letters of all scripts are kept, and controls spelt out."""
    # Tables need this module for `escape_controls` alone, and are printed sooner than json is loaded.
    import json

    text = json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=False)
    # Only strings hold such characters, and there JSON spells every one of them out.
    return re.sub(r"[^\x20-\x7e\n]", lambda found: _spelt(found.group()), text)


def _spelt(letter: str) -> str:
    import json

    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def escape_controls(text: str) -> str:
    """Return text in which nothing moves the cursor or changes colours: control characters are spelt out."""
    return "\n".join(map(escape_line, text.split("\n")))
