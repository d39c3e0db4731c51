"""Products and lengths as text, with parentheses where they are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def parenthesize(length: int) -> str:
    """Write a length into a formula; one that is a formula itself stands in brackets."""
    text = str(length)
    return text if text.isalnum() else f"({text})"


def times(lengths: Iterable[int]) -> str:
    """Write a product of lengths."""
    return " * ".join(map(parenthesize, lengths))


def factors(texts: Iterable[str], *, alone: bool) -> list[str]:
    """Return the factors of a product; one that is there several times as a power.

    Beside others, or behind a sign, a floor such as `H//2` stands in brackets, since they would go into it.
    """
    return [
        (f"({text})" if _is_open(text) and not alone else text) + (f"**{times}" if times > 1 else "")
        for text, times in Counter(texts).items()
    ]


def _is_open(text: str) -> bool:
    """Tell whether a floor as text is not in brackets of its own."""
    return "//" in text and not text.endswith(")")
