"""Modules that are Sequentials by another name, and what their print leaves out and their neighbours tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from convcheck.layers.base import Layer
from convcheck.layers.families import kind_names

if TYPE_CHECKING:
    from convcheck.layers.text.call import Call

KNOWN_CHAINS = (
    *("Conv2dNormActivation", "Conv3dNormActivation", "MLP", "MLPBlock", "SimpleStemIN", "BottleneckTransform"),
    *("_Transition", "Conv2Plus1D", "BasicStem", "R2Plus1dStem", "FCNHead", "ASPPConv", "DeepLabHead"),
)
"""Classes of torchvision that are derived from Sequential and have no forward of their own."""

_WHOLE = (
    *("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"),
    *("TransformerEncoder", "TransformerDecoder"),
)
_HOLDERS = ("ModuleList", "ModuleDict")
_OWN_FORWARD = ("ASPPPooling",)
"""Classes that print like a Sequential and do more: torchvision's resizes its output to its input."""


def is_alike(call: Call, names: Sequence[str | None]) -> bool:
    """Tell whether a module that holds layers of these names is a Sequential, or prints as one: they are counted."""
    if call.kind in ("Sequential", *KNOWN_CHAINS):
        return True
    counted = list(names) == [str(number) for number in range(len(names))]
    return bool(names) and counted and call.kind not in (*_HOLDERS, *_OWN_FORWARD)


def is_whole(call: Call) -> bool:
    """Tell whether a module that holds layers is a layer of torch, and no other class by the name of one."""
    if call.kind in _WHOLE:
        return True
    return call.kind in kind_names() and bool(call.named or call.words)


def settled(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield the layers of a print in order, each `Permute()` with the order of axes that its neighbours ask for.

    Between what makes channels first and what takes as many features last it moves channels to the end, and back where
    it stands behind what makes features last.
    """
    for number, layer in enumerate(layers):
        if layer.kind == "Permute" and layer.arguments() == {"dims": None}:
            before = next((side for side in map(_side, reversed(layers[:number])) if side), None)
            after = next((side for side in map(_side, layers[number + 1 :]) if side), None)
            if before == "first" and after == "last":
                yield replace(layer, dims_in_order=(0, 2, 3, 1))  # type: ignore[call-arg]  # it is a Permute
                continue
            if before == "last" and after in ("first", None):
                yield replace(layer, dims_in_order=(0, 3, 1, 2))  # type: ignore[call-arg]  # it is a Permute
                continue
        yield layer


def _side(layer: Layer) -> str | None:
    """Return where a layer has its channels, of an image; None where it does not say."""
    if layer.kind in ("LayerNorm", "Linear"):
        return "last"
    if layer.kind.startswith(("Conv2d", "BatchNorm2d", "AdaptiveAvgPool2d", "MaxPool2d", "AvgPool2d", "LayerNorm2d")):
        return "first"
    return None
