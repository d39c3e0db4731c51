"""Whether a layer takes an input of a shape, and what to say if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.windows import Window, span

if TYPE_CHECKING:
    from convcheck.layers.base import Layer


def accept(layer: Layer, shapes: Shapes) -> Shape:
    """Return the output's shape for inputs that a user gave.

    Raises:
        ShapeError: there are too many or too few of them, or the layer cannot take them.
    """
    if len(shapes) not in layer.INPUT_COUNTS:
        needed = " or ".join(map(str, layer.INPUT_COUNTS))
        raise ShapeError(
            f"{layer.kind} takes {needed} input{'s' if layer.INPUT_COUNTS != (1,) else ''}, and {len(shapes)} "
            f"{'was' if len(shapes) == 1 else 'were'} given: {', '.join(str(list(shape)) for shape in shapes)}"
        )
    return layer.output_shape(*shapes)


def check_channels(shape: Shape, dims: int, channels: int, kind: str) -> None:
    """Check rank and channels of a channels-first input, batched `[b, i, *space]` or not `[i, *space]`.

    Raises:
        ShapeError: naming the shapes that would do.
    """
    check_rank(shape, dims, channels, kind)
    if shape[-dims - 1] != channels:
        read = ", read as unbatched," if len(shape) == dims + 1 else ""
        first = (*shape[: -dims - 1], shape[-1], *shape[-dims - 1 : -1])
        last = f"; if its channels come last, torch takes them first, as {list(first)}" if shape[-1] == channels else ""
        raise ShapeError(f"{kind} takes {channels} input channels; {list(shape)}{read} has {shape[-dims - 1]}{last}")


def check_rank(shape: Shape, dims: int, channels: object, kind: str) -> None:
    """Check the rank of a channels-first input, batched or not; `channels` is what the message calls them.

    Raises:
        ShapeError: naming the shapes that would do.
    """
    if len(shape) not in (dims + 1, dims + 2):
        space = ", ".join(SPACE_AXES[dims]).upper()
        raise ShapeError(f"{kind} takes [batch, {channels}, {space}] or [{channels}, {space}]; {say_rank(shape)}")


def say_rank(shape: Shape) -> str:
    """Return `[2, 3] has 2 axes`."""
    return f"{list(shape)} has {len(shape)} {'axis' if len(shape) == 1 else 'axes'}"


def too_short(axis: str, length: int, window: Window, beyond: int = 0) -> ShapeError:
    """Say that no window fits along an axis, where one may reach `beyond` the end by some positions."""
    reach, pads = span(window.kernel, window.dilation), window.before + window.after
    return ShapeError(
        f"axis {axis} of length {length} is too short: the kernel reaches over {reach} positions"
        + (f" and the padding adds {pads}" if pads else "")
        + f", so the output would be empty; {axis} must be at least {max(1, reach - pads - beyond)}"
    )
