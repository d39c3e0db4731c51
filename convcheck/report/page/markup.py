"""Text as it stands in a page: escaped, on one line, its shapes unbroken and what differs in red."""

from __future__ import annotations

import re
from html import escape

from convcheck.errors import escape_line
from convcheck.results import Verdict

_SHAPE = re.compile(r"\[\d+(?:, \d+)+\]|\(\d+(?:, \d+)+\)|(?<= )-&gt;(?= )")
"""Of escaped text, an arrow among them."""
_DIFFERENT = re.compile(rf"\b{Verdict.DIFFERENT}\b")


def text(words: str) -> str:
    """Return text as it is to be read, on one line."""
    return escape(escape_line(words))


def prose(words: str) -> str:
    """Return text in which no line ends within an arrow, or a shape that fits on one."""
    return _SHAPE.sub(r'<span class="shape">\g<0></span>', text(words))


def agreements(words: str) -> str:
    """Return text that says what is identical and what is different; the latter is red."""
    return _DIFFERENT.sub(r'<b class="different">\g<0></b>', prose(words))
