"""What the axes of a layer's input and output are called."""

from __future__ import annotations

from collections.abc import Iterable

from convcheck.layers.base import Layer
from convcheck.layers.kinds.elementwise import Elementwise, Softmax
from convcheck.layers.kinds.linear import Linear
from convcheck.layers.kinds.patches import Patchify, Unpatchify
from convcheck.sizes.patterns import SPACE_AXES


def axis_names(layers: Iterable[Layer], rank: int, channels: str) -> tuple[str, ...]:
    """Return a name for every axis of the input of these layers or, reversed, the output; `channels` is one of them.

    Axes that no convention names are counted, from 0: `axis 0`.
    """
    return _names(
        next((layer for layer in layers if not isinstance(layer, (Elementwise, Softmax))), None), rank, channels
    )


def _names(layer: Layer | None, rank: int, channels: str) -> tuple[str, ...]:
    space = SPACE_AXES.get(layer.dims, ()) if layer is not None else ()
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
