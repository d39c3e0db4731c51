"""Input shapes as a user writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from convcheck.errors import ShapeError, shown
from convcheck.sizes.limits import MAX_AXES, MAX_INT64, MAX_SHORT_TEXT
from convcheck.sizes.patterns import Shape, Shapes

_LENGTHS = r"\s*(\d+(?:\s*[,x]\s*\d+)*|\d+(?:\s+\d+)+)\s*,?\s*"
_BRACKETS = rf"(?:{_LENGTHS}|\[{_LENGTHS}\]|\({_LENGTHS}\))"
# `torch.Size([1, 3, 224, 224])` is what torch prints of a shape.
_WRITTEN = re.compile(rf"\s*(?:{_BRACKETS}|(?:torch\.)?Size\(\s*\[{_LENGTHS}\]\s*\))\s*", re.ASCII)


def parse_shapes(value: object) -> Shapes:
    """Read one shape, or a list of shapes for an operation with several inputs.

    Raises:
        ShapeError: as parse_shape does, for the first that is no shape.
    """
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if listed and all(isinstance(shape, Sequence) for shape in listed):
        return tuple(map(parse_shape, listed))
    return (parse_shape(value),)


def write_shapes(shapes: Shapes) -> str:
    """Write shapes as options of a command line: `-i 2,3 -i 3,4`."""
    return " ".join(f"-i {','.join(map(str, shape))}" for shape in shapes)


def parse_shape(value: object) -> Shape:
    """Read `1,3,224,224`, `1x3x224x224`, `1 3 224 224`, any of them in brackets, or a list of numbers.

    Raises:
        ShapeError: it is no shape, or a length is not between 1 and 2^63 - 1.
    """
    if isinstance(value, str):
        # No regular expression is let loose on a text of a megabyte.
        match = _WRITTEN.fullmatch(value) if len(value) <= MAX_SHORT_TEXT else None
        if match is None:
            raise ShapeError(f"{shown(value)} is not a shape; write whole numbers of at least 1, such as 1,3,224,224")
        value = [int(word) for word in re.findall(r"\d+", next(filter(None, match.groups())))]
    if not isinstance(value, Sequence) or not value:
        raise ShapeError(f"{shown(value)} is not a shape; write whole numbers such as [1, 3, 224, 224]")
    if len(value) > MAX_AXES:
        raise ShapeError(f"{shown(value)} is a shape of {len(value)} axes; {MAX_AXES} at most are read")
    for length in value:
        if not isinstance(length, int) or isinstance(length, bool):
            raise ShapeError(f"{shown(length)} in {shown(value)} is not a whole number")
        if not 1 <= length <= MAX_INT64:
            raise ShapeError(f"a length of {shown(length)} cannot be; lengths are between 1 and {MAX_INT64}")
    return tuple(value)
