"""Texts and values changed at random: what a slip of the finger, a broken copy, or ill will makes of them."""

from __future__ import annotations

from random import Random
from typing import Any

# fmt: off
SIGNS = [
    "(", ")", "[", "]", "{", "}", ",", "=", ":", "-", "->", "'", '"', "*", "**", "&", "!", "|", ">", "%", "@", "`",
    "\\", "#", "?", "\n", "\t", "\r", " ", "  ", "...", ".", ";", "~", "^", "_", "$", "/", "\x00", "\x1b[31m", "\x7f",
    "\u202e", "\u2028", "\ufeff", "\x85", "\ud800", "é", "漢", "\U0001d538", "٣", "²",
]
WORDS = [
    "Conv2d", "Sequential", "Linear", "rearrange", "cases", "layer", "input", "matrix", "defaults", "expect", "None",
    "True", "null", "yes", ".inf", ".nan", "nan", "1e999", "1e-400", "0", "-1", "-0", "0x1F", "0o7", "012", "1_0",
    "1.0", "9" * 19, "9" * 400, "9" * 5000, "{p}", "{", "{0}", "*a", "&a", "*a.b", "!!python/name:os.system",
    "__import__('os')", "lambda: 0", "f'{x}'", "x := 1", "yield", "await x", "[red]", "not", "and", "or", "import os",
    "()", "[]", "{}", "(1,)", "kernel_size=", "padding='same'", "torch.nn.", "a.b.c", "<<", "? ", "- ", "---", "...",
]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3.5, 1e300, 2**63 - 1, 2**63, 10**400, "", "x", "{p}", "all", "\x1b[2J", "a\nb",
    [], {}, [1, 3, 8, 8], [[1, 2], [2, 3]], [[]], {"op": "Conv2d"}, {"x": {}}, "Conv2d(3, 8, 2)",
    "o i kh kw -> o (i kh kw)", "9" * 5000, "\ud800", "{" * 50, [None], [[[[1]]]],
]
# fmt: on


def changed_text(text: str, random: Random) -> str:
    """Return a text with one to eight changes."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 0, 1, 1, 2, 5, 20)))
        piece = text[start:end]
        new = random.choice(
            (
                "",
                random.choice(SIGNS),
                random.choice(WORDS),
                random.choice(SIGNS) * random.choice((2, 30, 120, 3000)),
                piece * random.choice((2, 3, 50)),
                piece[::-1],
                str(random.randrange(-3, 100)),
            )
        )
        text = text[:start] + new + text[end:]
        if random.random() < 0.05:
            text = text[: random.randrange(len(text) + 1)]
    return text


def changed_value(value: Any, random: Random) -> Any:
    """Return a value in which one entry, at some depth, was replaced, dropped, doubled, nested or renamed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        return _changed_mapping(value, random)
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        entry = value[at]
        new = random.choice(([], [entry, entry], [changed_value(entry, random)], [changed_value(entry, random)]))
        return [*value[:at], *new, *value[at + 1 :]]
    if isinstance(value, str) and random.random() < 0.5:
        return changed_text(value, random)
    return random.choice((random.choice(VALUES), [value], {"x": value}, random.choice(VALUES)))


def _changed_mapping(value: dict[str, Any], random: Random) -> dict[str, Any]:
    key = random.choice(list(value))
    match random.randrange(6):
        case 0:
            return {name: entry for name, entry in value.items() if name != key}
        case 1:
            return {changed_text(name, random) if name == key else name: entry for name, entry in value.items()}
        case 2:
            other = random.choice(list(value))
            return {**value, key: value[other], other: value[key]}
        case _:
            return {**value, key: changed_value(value[key], random)}
