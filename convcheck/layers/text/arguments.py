"""One argument of a layer: how its value is read, what is legal, and what to say if it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from convcheck.sizes.limits import MAX_AXES, MAX_INT64

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")

REQUIRED = object()


class BadValueError(ValueError):
    """A value is not legal; the message says what is."""


Reader = Callable[[object, int], object]


class Argument(NamedTuple):
    """A name, the reader of its value (which is told the number of spatial axes), and torch's default.

    torch takes some arguments by name alone.
    """

    name: str
    read: Reader
    default: object = REQUIRED
    by_name: bool = False


def _is_whole(value: object, least: int, most: int = MAX_INT64) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _legal(values: Sequence[object], least: int) -> str:
    too_large = any(isinstance(value, int) and value > MAX_INT64 for value in values)
    return f"a whole number up to {MAX_INT64}" if too_large else f"a whole number at least {least}"


def whole(least: int) -> Reader:
    """Read one whole number of at least `least`."""

    def read(value: object, dims: int) -> object:
        if not _is_whole(value, least):
            raise BadValueError(_legal([value], least))
        return value

    return read


def per_axis(least: int, *, short: bool = False) -> Reader:
    """Read one whole number for every spatial axis; a single number stands for all of them.

    Where `short`, torch lets a tuple of one number do so, too.
    """

    def read(value: object, dims: int) -> object:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
        if short and len(values) == 1:
            values *= dims
        if len(values) != dims or not all(_is_whole(number, least) for number in values):
            raise BadValueError(_legal(values, least) + (f", or {dims} of them" if dims > 1 else ""))
        return values

    return read


def few(least: int) -> Reader:
    """Read one whole number, or one for each of one to three axes; another argument decides how many."""

    def read(value: object, dims: int) -> object:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        if not 1 <= len(values) <= 3 or not all(_is_whole(number, least) for number in values):
            raise BadValueError(_legal(values, least) + ", or one for each axis")
        return values if isinstance(value, (tuple, list)) else value

    return read


def as_given(least: int, *, short: bool) -> Reader:
    """Read what `per_axis` reads, and keep whether it was one number or a tuple: so torch prints it."""
    check = per_axis(least, short=short)

    def read(value: object, dims: int) -> object:
        check(value, dims)
        return tuple(value) if isinstance(value, (tuple, list)) else value

    return read


def optional(reader: Reader) -> Reader:
    """Read None, or what `reader` reads."""

    def read(value: object, dims: int) -> object:
        if value is None:
            return None
        try:
            return reader(value, dims)
        except BadValueError as legal:
            raise BadValueError(f"{legal}, or None") from None

    return read


def one_of(*words: object) -> Reader:
    """Read one of a few values."""

    def read(value: object, dims: int) -> object:
        if value not in words:
            raise BadValueError("one of " + ", ".join(map(repr, words)))
        return value

    return read


padding_mode = one_of(*PADDING_MODES)


def number(least: float | None = None) -> Reader:
    """Read a finite number, whole or not, that is at least `least` where that is given."""
    low = -sys.float_info.max if least is None else least

    def read(value: object, dims: int) -> object:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= sys.float_info.max:
            legal = "between -1.8e308 and" if least is None else f"from {least:g} to"
            raise BadValueError(f"a number {legal} 1.8e308")
        return value

    return read


def axis(value: object, dims: int) -> object:
    """Read the number of an axis, counted from 0, or from -1 backwards."""
    if not _is_whole(value, -MAX_AXES, MAX_AXES - 1):
        named = "; axes have no names here" if isinstance(value, str) else ""
        raise BadValueError(f"the number of an axis, from {-MAX_AXES} to {MAX_AXES - 1}{named}")
    return value


def sizes(value: object, dims: int) -> object:
    """Read the lengths of axes; torch infers one that is -1."""
    values = tuple(value) if isinstance(value, (tuple, list)) else ()
    lengths = [length for length in values if length != -1]
    if not values or len(lengths) < len(values) - 1 or not all(_is_whole(length, 1) for length in lengths):
        raise BadValueError("a tuple of whole numbers at least 1, one of which may be -1")
    if len(values) > MAX_AXES:
        raise BadValueError(f"a tuple of {MAX_AXES} numbers at most")
    return values


def divisor(value: object, dims: int) -> object:
    """Read a whole number that is not 0."""
    if not _is_whole(value, -MAX_INT64) or value == 0:
        raise BadValueError("a whole number other than 0")
    return value


def padding(value: object, dims: int) -> object:
    """Read a padding: 'same', 'valid', or a number of at least 0 for every axis.

    A tuple of one number stays one: whether torch lets it stand for all axes depends on the padding mode.
    """
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise BadValueError("'same', 'valid' or a whole number at least 0")
        return value
    if isinstance(value, (tuple, list)) and len(value) == 1:
        return per_axis(0)(value, 1)
    return per_axis(0)(value, dims)


def flag(value: object, dims: int) -> object:
    """Read True or False; torch takes None and 0 for False, too, and 1 for True."""
    if value is not None and value not in (0, 1):
        raise BadValueError("True or False")
    return bool(value)


def strict_flag(value: object, dims: int) -> object:
    """Read True or False, where torch takes nothing else."""
    if not isinstance(value, bool):
        raise BadValueError("True or False")
    return value


def only_zeros(value: object, dims: int) -> object:
    """Read the one padding mode that torch has for transposed convolutions."""
    if value != "zeros":
        raise BadValueError("'zeros', the only mode that torch has for a transposed convolution")
    return value
