"""Products of lengths as text, with parentheses where they are needed."""

from __future__ import annotations

from collections.abc import Iterable


def parenthesize(length: object) -> str:
    """Write a length into a formula; one that is a formula itself stands in brackets."""
    text = str(length)
    return text if text.isidentifier() or text.isdecimal() else f"({text})"


def times(lengths: Iterable[int]) -> str:
    """Write a product of lengths."""
    return " * ".join(map(parenthesize, lengths))
