"""How values are written as source."""

from __future__ import annotations

import json
import math

WIDTH = 88
"""A value that would make a longer line is written one entry a line."""

_KINDS: tuple[type, ...] = (tuple, list, dict)


def literal(value: object) -> str | None:
    """Return a value as source; None if it is more than numbers, texts, slices and containers of them."""
    if value is None or value is ... or isinstance(value, (bool, int, float, str)):
        return _scalar(value)
    if isinstance(value, slice):
        value, opening, closing = (value.start, value.stop, value.step), "slice(", ")"
    elif type(value) in _KINDS:
        opening, closing = "([{"[_KINDS.index(type(value))], ")]}"[_KINDS.index(type(value))]
    else:
        return None
    entries = _entries(value)
    if entries is None:
        return None
    return f"{opening}{', '.join(entries)}{',' if opening == '(' and len(entries) == 1 else ''}{closing}"


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return "..." if value is ... else repr(value)


def _entries(value: object) -> list[str] | None:
    if isinstance(value, dict):
        pairs = [(literal(key), literal(entry)) for key, entry in value.items()]
        return None if any(None in pair for pair in pairs) else [f"{key}: {entry}" for key, entry in pairs]
    assert isinstance(value, (tuple, list))
    entries = [literal(entry) for entry in value]
    return None if None in entries else [entry for entry in entries if entry is not None]


def laid_out(value: object, indent: str) -> str:
    """Return a value that has a literal as source after `indent`, over several lines where it is long."""
    text = literal(value) or ""
    if len(indent) + len(text) <= WIDTH or not isinstance(value, (tuple, list)):
        return text
    deeper = indent + "    "
    return text[0] + "".join(f"\n{deeper}{laid_out(each, deeper)}," for each in value) + f"\n{indent}{text[-1]}"


def index(value: object) -> str | None:
    """Return what stands between brackets for an index that slices, such as `..., ::2`; None for any other value."""
    parts = value if isinstance(value, tuple) else (value,)
    if not any(isinstance(part, slice) for part in parts):
        return None
    written = [_colons(part) if isinstance(part, slice) else literal(part) for part in parts]
    return None if None in written else ", ".join(str(part) for part in written)


def _colons(part: slice) -> str:
    start, stop, step = ("" if bound is None else str(bound) for bound in (part.start, part.stop, part.step))
    return f"{start}:{stop}" if step in ("", "1") else f"{start}:{stop}:{step}"
