"""What the axes of a layer's input and output are called."""

from __future__ import annotations

from convcheck.layers.base import Layer
from convcheck.layers.linear import Linear
from convcheck.layers.patchify import Patchify, Unpatchify
from convcheck.patterns import SPACE_AXES


def axis_names(layer: Layer, rank: int, channels: str) -> tuple[str, ...]:
    """Return a name for every axis of an input or output of this rank; `channels` is the name of the channels.

    Axes that no convention names are counted, from 0: `axis 0`.
    """
    space = SPACE_AXES.get(layer.dims, ())
    if isinstance(layer, (Patchify, Unpatchify)):
        named = (*space, channels)
    elif isinstance(layer, Linear):
        named = (channels,)
    elif not space or rank <= len(space):
        # Such as what BatchNorm1d and Unfold have without a length: it has channels all the same.
        named = ()
    else:
        named = (channels, *space)
    leading = rank - len(named)
    if leading == 1 and named:
        return ("b", *named)
    return (*(f"axis {number}" for number in range(leading)), *named)
