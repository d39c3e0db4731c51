"""Sentences on a terminal: broken between words only, and indented to where they begin."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text


def prose(text: Text, *, indent: int = 0) -> Padding:
    """Return text that a console breaks between words; only a word that is longer than a line is broken itself."""
    return Padding(text, (0, 0, 0, indent), expand=False)
