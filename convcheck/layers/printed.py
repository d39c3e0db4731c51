"""What print(model) shows of a module with submodules, turned into a call."""

from __future__ import annotations

import re
from collections.abc import Iterator

# `(proj): Conv2d(3, 8, ...)`, and `(0-3): 4 x Linear(...)` for submodules that print alike.
_SUBMODULE = re.compile(r"(?P<indent>\s*)\((?P<name>[^()]*)\): ((?P<times>\d+) x )?(?P<layer>.*)")

MOST = 1000
"""Submodules that one line may stand for."""


def printed(text: str) -> str:
    """Return torch's printed form as a call: `(name): layer` becomes `("name", layer),` on its line.

    Text in which no line names a submodule comes back as it is.
    """
    lines = text.splitlines()
    if not any(_SUBMODULE.fullmatch(line) for line in lines):
        return text
    return "\n".join(_lines(lines))


def _lines(lines: list[str]) -> Iterator[str]:
    depth = 0
    for line in lines:
        match = _SUBMODULE.fullmatch(line)
        if match is None:
            # The end of a submodule that has submodules of its own.
            closes = line.strip() == ")" and depth > 0
            depth -= closes
            yield f"{line})," if closes else line
            continue
        opens = match["layer"].rstrip().endswith("(")
        depth += opens
        entry = f"({match['name']!r}, {match['layer']}" + ("" if opens else "),")
        for _ in range(1 if opens else min(int(match["times"] or 1), MOST)):
            yield entry
