"""Products and lengths as text, with parentheses where they are needed."""

from __future__ import annotations

from collections.abc import Iterable


def parenthesize(length: int) -> str:
    """Write a length into a formula; one that is a formula itself stands in brackets."""
    text = str(length)
    return text if text.isalnum() else f"({text})"


def times(lengths: Iterable[int]) -> str:
    """Write a product of lengths."""
    return " * ".join(map(parenthesize, lengths))
