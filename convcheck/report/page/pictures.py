"""The pictures of results as parts of the page, so that it needs no file beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from convcheck.results import Result, Verdict

MOST_BYTES = 32 * 1024 * 1024
"""Of all pictures of a page together; a browser still opens that at once."""

_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def embedded(results: Iterable[Result]) -> dict[str, str]:
    """Return the pictures of results, by their files, as addresses that hold them.

    The first have room; a picture that is left out, or cannot be read, is named by its file alone.
    """
    room, addresses = MOST_BYTES, {}
    for result in results:
        path = Path(result.figure or "")
        kind = _TYPES.get(path.suffix.lower())
        if kind is None:
            continue
        with suppress(OSError, ValueError):
            if path.stat().st_size <= room:
                content = path.read_bytes()
                room -= len(content)
                addresses[str(result.figure)] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return addresses


def described(result: Result) -> str:
    """Return what a picture shows, for who does not see it; what comes of it stands beside it in words."""
    sides = "outputs of the reference and of the candidate side by side and their difference"
    weights = ", the weights before and after" if result.transplant or result.map else ""
    ending = "they differ" if result.verdict is Verdict.DIFFERENT else f"the verdict is {result.verdict}"
    return f"Picture of {result.title}: {sides}{weights}, and how errors compare with their bound; {ending}."
