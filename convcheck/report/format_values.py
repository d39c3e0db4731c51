"""How texts, numbers, shapes and counts are written in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from convcheck.errors import escape_line
from convcheck.sizes.lengths import Length
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from fractions import Fraction

    from convcheck.results import Sides

NOTHING = "-"


def escape_controls(text: str) -> str:
    """Return text in which nothing moves the cursor or changes colours: control characters are spelt out."""
    return "\n".join(map(escape_line, text.split("\n")))


def format_number(value: float | None) -> str:
    """Write a measured number with four significant digits."""
    if value is None:
        return NOTHING
    return "0" if value == 0 else f"{value:.3e}" if abs(value) < 1e-3 or abs(value) >= 1e5 else f"{value:.4g}"


def format_count(value: int | None) -> str:
    """Write a count with commas between thousands."""
    return NOTHING if value is None else f"{value:,}"


def format_shape(value: Shape | None) -> str:
    """Write a shape as torch prints it."""
    return NOTHING if value is None else str(list(value))


def format_inputs(value: Shape | Shapes) -> str:
    """Write the shape of an input, or of several."""
    several = [shape for shape in value if isinstance(shape, tuple)]
    return ", ".join(map(format_shape, several)) if several else str(list(value))


def format_sides(sides: Sides[int | None]) -> str:
    """Write the counts of both sides; the sign between them says whether they agree."""
    if sides.candidate is None:
        return format_count(sides.reference)
    sign = "=" if sides.reference == sides.candidate else "/"
    return f"{format_count(sides.reference)} {sign} {format_count(sides.candidate)}"


def format_parameters(weights: Mapping[str, Shape] | None) -> str:
    """Write the shapes of named parameters."""
    return NOTHING if weights is None else "  ".join(f"{name} {list(size)}" for name, size in weights.items())


def format_bytes(value: int | Length | None) -> str:
    """Write a number of bytes: whole below 1 KiB, else in KiB, MiB, GiB or TiB; a formula as it is."""
    if value is None:
        return NOTHING
    if isinstance(value, Length):
        return f"{value} B"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = min(max(value.bit_length() - 1, 0) // 10, len(units))
    return f"{value:,} B" if power == 0 else f"{value / 1024**power:,.4g} {units[power - 1]}"


def format_receptive_field(fields: Sequence[int | None], jumps: Sequence[Fraction | None]) -> str:
    """Write a receptive field, as `7 x 7`; an axis of which every output reads all is `all`."""
    words = [
        NOTHING if field is None else "all" if jump is None else str(field)
        for field, jump in zip(fields, jumps, strict=True)
    ]
    return _times(words)


def format_jumps(jumps: Sequence[Fraction | None]) -> str:
    """Write jumps, as `2 x 2` or `1/2 x 1/2`."""
    return _times([NOTHING if jump is None else str(jump) for jump in jumps])


def _times(words: Sequence[str]) -> str:
    alike = len(set(words)) == 1 and not words[0][0].isdigit()
    return words[0] if alike else " x ".join(words) or NOTHING
