"""What a user can get wrong, as exceptions. Every one of them ends a command with exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class ConvcheckError(Exception):
    """Input that convcheck cannot work with. The message names the fault and what would be legal."""


class UsageError(ConvcheckError):
    """A command line that asks for something impossible, or for nothing at all."""


class UntrustedError(UsageError):
    """Code of the user's own that nobody said may run."""


class ShapeError(ConvcheckError):
    """An input shape that a layer cannot take, or from which it would make an empty output."""


class NotPrintedError(ShapeError):
    """What a layer makes of an input depends on something that its print leaves out."""


class PatternError(ConvcheckError):
    """An einops pattern that cannot be read, or that does not fit the tensor it is meant for."""


class CannotRunError(Exception):
    """A side cannot be run as it is asked: no such device, no such kernel, out of memory, or its code raises."""


class LayerError(ConvcheckError):
    """A layer that cannot be read, or that torch could not run. It carries all of its faults.

    `faults` are (argument, message) pairs; the argument is None where the fault is the whole layer's, and one such
    fault may be given by its message alone.
    """

    def __init__(self, faults: str | Sequence[tuple[str | None, str]], *, kind: str | None = None) -> None:
        self.faults = ((None, faults),) if isinstance(faults, str) else tuple(faults)
        self.kind = kind
        lead = f"{kind}: " if kind else ""
        super().__init__(lead + "; ".join(message for _, message in self.faults))


class Fault(NamedTuple):
    """One fault of a config file. Line and column count from 1, as editors do."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        # A name of a file or of a key may hold line breaks; a fault is one line.
        return escape_line(f"{self.file}:{self.line}:{self.column}: {path}{self.message}")


class ConfigError(ConvcheckError):
    """All faults of the configs that were read, in the order in which they stand."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


_NOTES: ContextVar[dict[str, None] | None] = ContextVar("notes", default=None)


@contextmanager
def collecting_notes() -> Iterator[Iterable[str]]:
    """Collect what is worth saying once beside all errors that arise meanwhile, such as a long list of names."""
    notes: dict[str, None] = {}
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def note_once(text: str) -> bool:
    """Add a note to those that are being collected; return whether any are."""
    notes = _NOTES.get()
    if notes is not None:
        notes[text] = None
    return notes is not None


def escape_line(text: str) -> str:
    """Return text on one line in which nothing moves the cursor or changes colours: what would is spelt out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object, most: int = 60) -> str:
    """Write a value into a message: as Python would, on one line, and cut if it is long."""
    try:
        text = repr(value)
    except ValueError:
        # Python does not write numbers of more than 4300 digits.
        return "a number of thousands of digits"
    return cut(text, most)


def cut(text: str, most: int = 60) -> str:
    """Return a text, or as much of it as a message can bear."""
    return text if len(text) <= most else text[: most - 3] + "..."


def did_you_mean(word: str, known: Iterable[str], *, say_known: str = "there are", most: int | None = None) -> str:
    """Return `did you mean 'x'?` for names that begin so, or the nearest one.

    Where none is near, return the list of what there is, of `most` at most.
    """
    names = list(known)
    if near := nearest(word, names):
        return f"did you mean {near}?"
    if not names:
        return "there is none to choose from"
    more = len(names) - (most or len(names))
    return f"{say_known}: {', '.join(names[:most])}" + (f" and {more} more" if more > 0 else "")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the names that begin so, or nearly so, as `'x', 'y' or 'z'`; nothing where none is near."""
    # Case must not hide the nearest name: `conv2d` is Conv2d.
    lowered: dict[str, str] = {}
    for name in known:
        lowered.setdefault(name.lower(), name)
    word = word.lower()
    found = [name for name in lowered if len(word) >= 3 and name.startswith(word)]
    if not found:
        # A name may be known by its first word. No name is long, and comparing long words takes long.
        firsts = {name: name.partition("-")[0] for name in lowered}
        near = difflib.get_close_matches(word[:100], [*lowered, *firsts.values()], n=1)
        found = [name for name, first in firsts.items() if {name, first} & set(near)]
    *others, last = [repr(lowered[name]) for name in found[:4]] or [""]
    return f"{', '.join(others)} or {last}" if others else last


def multiples(length: int, of: int) -> str:
    """Return the multiples of `of` next to a length that is none, as `4 or 8 would be`."""
    below = f"{length // of * of} or " if length > of else ""
    return f"{below}{-(-length // of) * of} would be"
