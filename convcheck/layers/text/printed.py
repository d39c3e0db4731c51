"""What print(model) shows of a module with submodules, turned into a call."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convcheck.errors import LayerError
from convcheck.sizes.limits import MAX_LINES

# `(proj): Conv2d(3, 8, ...)`, and `(0-3): 4 x Linear(...)` for submodules that print alike.
_SUBMODULE = re.compile(r"\s*\((?P<name>[^()]*)\): ((?P<times>\d{1,9}) x )?(?P<layer>.*)")


def printed(text: str) -> str:
    """Return torch's printed form as a call: `(name): layer` becomes `("name", layer),` on its line.

    `(0-3): 4 x layer` becomes four of them, and the lines that a module prints of itself, before its submodules, become
    one entry `("", "these lines"),`. Text in which no line names a submodule comes back as it is.

    Raises:
        LayerError: it stands for far too many submodules.
    """
    lines = text.splitlines()
    if not any(_SUBMODULE.fullmatch(line) for line in lines):
        return text
    calls, _, _ = _block(lines, 0, within=False)
    return "\n".join(calls)


def _block(lines: list[str], start: int, *, within: bool) -> tuple[list[str], int, bool]:
    """Return the calls of a block that begins at line `start`, the line behind it, and whether its `)` was there."""
    calls: list[str] = []
    position = start
    while position < len(lines):
        opened = calls[-1].rstrip().endswith("(") if calls else within
        if opened and (words := _own_words(lines, position)):
            position += len(words)
            calls.append(f"('', {' '.join(words)!r}),")
        line = lines[position]
        position += 1
        match = _SUBMODULE.fullmatch(line)
        if match is None:
            if within and line.strip() == ")":
                return calls, position, True
            calls.append(line)
            continue
        if match["layer"].strip() == "None":
            # A module that was left out, of which torch prints the name.
            continue
        body: list[str] = []
        closed = True
        opens = match["layer"].rstrip().endswith("(")
        if opens:
            body, position, closed = _block(lines, position, within=True)
        times = int(match["times"] or 1)
        if len(calls) + times * (len(body) + 1) > MAX_LINES:
            raise LayerError(f"{line.strip()} stands for more than {MAX_LINES} lines")
        for name in _names(match["name"], times):
            calls.append(f"({name!r}, {match['layer']}" + ("" if opens else "),"))
            # A block that does not end is left open, so that the parser reports it.
            calls += [*body, *([")),"] if opens and closed else [])]
    return calls, position, False


def _own_words(lines: list[str], start: int) -> list[str]:
    """Return the lines up to the first submodule, such as `3, 8, kernel_size=(3, 3)`; none if they are code."""
    words: list[str] = []
    for line in lines[start:]:
        if _SUBMODULE.fullmatch(line):
            return words
        word = line.strip()
        if not word or word.startswith(")") or word.endswith(("(", ",")):
            return []
        words.append(word)
    return []


def _names(name: str, times: int) -> Iterator[str]:
    """Yield the names of submodules that print alike: `0-3` stands for 0, 1, 2 and 3."""
    first = name.partition("-")[0]
    for number in range(times):
        yield str(int(first) + number) if times > 1 and first.isdecimal() else name
