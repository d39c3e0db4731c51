"""Which axes of an output lie along rows and columns of a picture, and which one has the channels."""

from __future__ import annotations

from typing import NamedTuple

from convcheck.sizes.patterns import Shape

WORDS = {"b": "batch", "o": "channel", "l": "length", "t": "depth", "h": "height", "w": "width"}
"""What a reader calls the axes that have a letter."""

BATCH, PLAIN = 0, 3
"""The axis that is taken for the batch where none is named, and the rank from which on there are channels then."""


class OutputLayout(NamedTuple):
    """Axes by number. `channel` is None where features lie along columns, as of tokens; `features` has those, too."""

    names: tuple[str, ...]
    space: tuple[int, ...]
    """The axes along rows and columns; or along columns alone, or none of a single number."""
    channel: int | None
    features: int | None

    @property
    def others(self) -> tuple[int, ...]:
        """The axes along which a picture is cut at one place."""
        return tuple(axis for axis in range(len(self.names)) if axis not in (*self.space, self.channel))


def layout_of(names: tuple[str, ...], shape: Shape) -> OutputLayout:
    """Return the layout of an output whose axes have these names; they are counted where they do not fit its shape."""
    rank = len(shape)
    if len(names) != rank:
        names = tuple(f"axis {number}" for number in range(rank))
    known = names.index("o") if "o" in names else None
    batch = names.index("b") if "b" in names else BATCH
    channel = known if known is not None else 1 if rank > PLAIN else None
    space = tuple(axis for axis in range(rank) if axis not in (batch, channel))
    if channel == rank - 1 and len(space) < 2:
        # Vectors are lines of features, and tokens an image of them.
        space, channel = (*space, channel), None
    elif not space and channel is not None:
        space, channel = (channel,), None
    elif not space:
        # All there is are numbers.
        space = tuple(range(rank))
    words = tuple(WORDS.get(name, name) for name in names)
    return OutputLayout(words, space[-2:], channel, known if known is not None else channel)
