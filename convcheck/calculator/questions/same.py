"""The padding 'same' written out, for any stride, as torch and as TensorFlow have it.

torch pads by `d*(k-1)` in all, whatever the stride, and refuses 'same' where the stride is not 1. TensorFlow pads so
that the output has `ceil(n / s)` positions and nothing more: by `(ceil(n / s) - 1)*s + d*(k-1) + 1 - n`, if that is
above 0 (tf.nn.convolution, "Notes on padding"). Of an odd number, both put one more behind. Both outputs have the same
size; where the padding before differs, the windows start elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from convcheck.calculator.answers import Padded, Remainder, Same
from convcheck.calculator.inverse.chain import layers_of
from convcheck.calculator.questions.writing import adjusted, pasted
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import Layer, accept
from convcheck.sizes.limits import MAX_REMAINDERS
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import Window, span

Pairs = Sequence[tuple[int, int]]

_MODULES = {
    "zeros": "ZeroPad",
    "reflect": "ReflectionPad",
    "replicate": "ReplicationPad",
    "circular": "CircularPad",
}


def same_for(layers: Sequence[Layer], input: Shape | None) -> Same:
    """Return the explicit padding of a convolution or pool, for an input or for every remainder of its lengths.

    Raises:
        UsageError: it is no convolution or pool, or more than one layer; or the remainders are too many to be listed.
        ShapeError: the layer cannot take an input of this shape, whatever its padding.
    """
    chain = list(layers_of(layers))
    if len(chain) != 1 or chain[0].padding_fill() is None:
        raise UsageError(f"--same is about one convolution or pool, and not about {', '.join(map(str, chain))}")
    layer = chain[0]
    windows = _windows(layer)
    totals = [span(window.kernel, window.dilation) - 1 for window in windows]
    plain = [_halves(total) for total in totals]
    torch = _padded(layer, plain, input)
    if input is None:
        remainders = tuple(_remainders(layer))
        return Same("same", str(layer), None, torch, None, remainders, {}, tuple(_notes(layer, plain)))
    lengths = input[-layer.dims :]
    theirs = [tensorflow(window, length) for window, length in zip(windows, lengths, strict=True)]
    shift = {
        axis: ours[0] - others[0]
        for axis, ours, others in zip(SPACE_AXES[layer.dims], plain, theirs, strict=True)
        if ours[0] != others[0]
    }
    notes = tuple(_notes(layer, [*plain, *theirs]))
    return Same("same", str(layer), input, torch, _padded(layer, theirs, input), (), shift, notes)


def _windows(layer: Layer) -> list[Window]:
    """Return the windows of a layer whose padding is filled with something; they depend on no shape."""
    return [window for window in layer.axis_windows(()) if isinstance(window, Window)]


def tensorflow(window: Window, length: int) -> tuple[int, int]:
    """Return TensorFlow's padding (before, after) along an axis."""
    outputs = -(-length // window.stride)
    return _halves(max(0, (outputs - 1) * window.stride + span(window.kernel, window.dilation) - length))


def _halves(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2


def _remainders(layer: Layer) -> list[Remainder]:
    """Return TensorFlow's padding for every remainder of a length by the stride; neighbours that agree are one."""
    many = sum(min(window.stride, span(window.kernel, window.dilation) + 1) for window in _windows(layer))
    if many > MAX_REMAINDERS:
        raise UsageError(
            f"--same lists a padding for every remainder of a length by the stride, and of {layer} these are {many}; "
            f"{MAX_REMAINDERS} at most, so add -i with the input's shape"
        )
    remainders: list[Remainder] = []
    for axis, window in zip(SPACE_AXES[layer.dims], _windows(layer), strict=True):
        stride, reach = window.stride, span(window.kernel, window.dilation)
        # All remainders from the kernel's reach on need no padding.
        for rest in range(min(stride, reach + 1)):
            last = stride - 1 if rest == reach else rest
            pads = _halves(max(0, reach - (rest or stride)))
            if remainders and remainders[-1].axis == axis and remainders[-1].pads == pads:
                remainders[-1] = replace(remainders[-1], last=last)
            else:
                remainders.append(Remainder(axis, stride, rest, last, pads))
    return remainders


def _padded(layer: Layer, pads: Pairs, input: Shape | None) -> Padded:
    named = dict(zip(SPACE_AXES[layer.dims], pads, strict=True))
    bare = _with(layer, (0,) * layer.dims, "zeros")
    output = None
    if input is not None:
        total = [length + before + after for length, (before, after) in zip(input[-layer.dims :], pads, strict=True)]
        output = accept(bare, ((*input[: -layer.dims], *total),))
    padded = _with(layer, tuple(after for _, after in pads), None)
    if input is not None and _fill(layer) in ("reflect", "circular"):
        # What is copied has to be there.
        accept(padded, (input,))
    says = "padding" in layer.ADJUSTABLE or not any(map(any, pads))
    if says and all(before == after for before, after in pads) and _runs(padded, input):
        return Padded(named, output, tuple(after for _, after in pads), pasted(padded), _functional(layer, pads))
    if _says_same(layer, pads, input):
        named_same: dict[str, Any] = {"padding": "same"}
        return Padded(named, output, "same", pasted(replace(padded, **named_same)), _functional(layer, pads))
    if input is not None and "ceil_mode" in layer.arguments() and not any(before for before, _ in pads):
        # What is beyond the end counts neither for a maximum nor for an average.
        rounded = _replaced(bare, ceil_mode=True)
        if _runs(rounded, input) and accept(rounded, (input,)) == output:
            return Padded(named, output, None, pasted(rounded), _functional(layer, pads))
    written = f"nn.Sequential({_module(layer, pads)}, {pasted(bare)})"
    return Padded(named, output, None, written, _functional(layer, pads))


def _says_same(layer: Layer, pads: Pairs, input: Shape | None) -> bool:
    """Tell whether torch's padding='same' is this padding: that of a convolution of stride 1."""
    if "ceil_mode" in layer.arguments() or any(window.stride != 1 for window in _windows(layer)):
        return False
    words: dict[str, Any] = {"padding": "same"}
    same = replace(layer, **words)
    return _runs(same, input) and [(w.before, w.after) for w in _windows(same)] == list(pads)


def _runs(layer: Layer, input: Shape | None) -> bool:
    """Tell whether torch takes the layer's arguments and the input."""
    if any(layer.inconsistencies()):
        return False
    try:
        return input is None or bool(accept(layer, (input,)))
    except ShapeError:
        return False


def _with(layer: Layer, padding: Shape, mode: str | None) -> Layer:
    """Return the layer with other padding, and outputs counted as torch counts them for 'same'."""
    more = {} if mode is None else {"padding_mode": mode}
    return _replaced(adjusted(layer, padding=padding), ceil_mode=False, **more)


def _replaced(layer: Layer, **values: Any) -> Layer:
    """Return the layer with other values of those of these arguments that it has."""
    return replace(layer, **{name: value for name, value in values.items() if name in layer.arguments()})


def _sides(pads: Pairs) -> str:
    """Return the padding in torch's order: the last axis first."""
    return ", ".join(f"{before}, {after}" for before, after in reversed(pads))


def _fill(layer: Layer) -> str:
    fill = layer.padding_fill()
    assert fill is not None, f"{layer} was asked"
    return fill


def _module(layer: Layer, pads: Pairs) -> str:
    if _fill(layer) == "-inf":
        return f'nn.ConstantPad{layer.dims}d(({_sides(pads)}), float("-inf"))'
    return f"nn.{_MODULES[_fill(layer)]}{layer.dims}d(({_sides(pads)}))"


def _functional(layer: Layer, pads: Pairs) -> str:
    mode = _fill(layer)
    more = {"zeros": "", "-inf": ', value=float("-inf")'}.get(mode, f", mode={mode!r}")
    return f"F.pad(x, ({_sides(pads)}){more})"


def _notes(layer: Layer, pads: Pairs) -> list[str]:
    notes = []
    if layer.arguments().get("ceil_mode"):
        notes.append("ceil_mode is left out: 'same' pads for the last window")
    if layer.PADDING_CAVEAT and any(map(any, pads)):
        notes.append(layer.PADDING_CAVEAT)
    return notes
