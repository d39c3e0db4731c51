"""One argument of a layer: how its value is read, what is legal, and what to say if it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LARGEST = 2**63 - 1
"""torch's sizes are 64-bit; a larger number is a slip of the finger, not a layer."""

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")

REQUIRED = object()


class BadValueError(ValueError):
    """What would be legal in place of the value that was seen."""


Reader = Callable[[object, int], object]


@dataclass(frozen=True)
class Argument:
    """A name, the reader of its value (which is told the number of spatial axes), and torch's default."""

    name: str
    read: Reader
    default: object = REQUIRED


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _wanted(value: object, least: int) -> str:
    too_large = isinstance(value, int) and value > LARGEST
    return f"a whole number up to {LARGEST}" if too_large else f"a whole number at least {least}"


def whole(least: int) -> Reader:
    """Read one whole number of at least `least`."""

    def read(value: object, dims: int) -> object:
        if not _is_whole(value, least):
            raise BadValueError(_wanted(value, least))
        return value

    return read


def per_axis(least: int) -> Reader:
    """Read one whole number for every spatial axis; a single number stands for all of them."""

    def read(value: object, dims: int) -> object:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
        if len(values) != dims or not all(_is_whole(each, least) for each in values):
            raise BadValueError(_wanted(value, least) + (f", or {dims} of them" if dims > 1 else ""))
        return values

    return read


def few(least: int) -> Reader:
    """Read one whole number, or one for each of one to three axes; how many there are is another argument's matter."""

    def read(value: object, dims: int) -> object:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        if not 1 <= len(values) <= 3 or not all(_is_whole(each, least) for each in values):
            raise BadValueError(_wanted(value, least) + ", or one for each axis")
        return values if isinstance(value, (tuple, list)) else value

    return read


def optional(reader: Reader) -> Reader:
    """Read None, or what `reader` reads."""
    return lambda value, dims: None if value is None else reader(value, dims)


def one_of(*words: object) -> Reader:
    """Read one of a few values."""

    def read(value: object, dims: int) -> object:
        if value not in words:
            raise BadValueError("one of " + ", ".join(map(repr, words)))
        return value

    return read


def padding(value: object, dims: int) -> object:
    """Read a padding: 'same', 'valid', or a number of at least 0 for every axis."""
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise BadValueError("'same', 'valid' or a whole number at least 0")
        return value
    return per_axis(0)(value, dims)


def flag(value: object, dims: int) -> object:
    """Read True or False; torch takes None for False, too."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadValueError("True or False")
    return value


def padding_mode(value: object, dims: int) -> object:
    """Read one of torch's padding modes."""
    if value not in PADDING_MODES:
        raise BadValueError("one of " + ", ".join(PADDING_MODES))
    return value


def only_zeros(value: object, dims: int) -> object:
    """Read the one padding mode that torch has for transposed convolutions."""
    if value != "zeros":
        raise BadValueError("'zeros', the only mode that torch has for a transposed convolution")
    return value
