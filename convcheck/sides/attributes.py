"""Reads one torch module as a layer by its attributes, and checks that these agree."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from convcheck.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    DotProductAttention,
    Layer,
    Linear,
    MultiheadAttention,
    Patchify,
    Rearrange,
    Unpatchify,
    parse_layer,
)
from convcheck.layers.families import family_of
from convcheck.sides.effective_tensors import effective_tensor


def read(module: nn.Module, kind: str) -> Layer:
    """Return the layer of a kind with the arguments that a module's attributes give.

    Raises:
        LayerError: the layer cannot have some of them.
    """
    family = family_of(kind)
    assert family is not None, f"{kind} is a kind that can be read"
    values = dict(_DERIVED[family](module)) if family in _DERIVED else {}
    for argument in family.SIGNATURE:
        if argument.name not in values:
            values[argument.name] = _plain(getattr(module, argument.name))
    return parse_layer({"op": kind, **values})


def _plain(value: object) -> object:
    """Return a whole number as Python's own, where it is numpy's."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    return operator.index(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value


def _has(module: nn.Module, name: str) -> bool:
    # In train mode, reading `module.bias` may change the module that computes the bias.
    return effective_tensor(module, name) is not None


def _biased(module: Any) -> dict[str, object]:
    return {"bias": _has(module, "bias")}


def _normalising(module: Any) -> dict[str, object]:
    # torch computes with the tensors that exist, whatever its flags say.
    tensors = {"affine": "weight", "bias": "bias", "track_running_stats": "running_mean"}
    return {argument: _has(module, name) for argument, name in tensors.items()}


def _attending(module: Any) -> dict[str, object]:
    flags = {"bias": _has(module, "in_proj_bias"), "add_bias_kv": _has(module, "bias_k")}
    widths = {name: getattr(module, name) for name in ("kdim", "vdim")}
    return {**flags, **{name: None if width == module.embed_dim else width for name, width in widths.items()}}


def _patching(module: Any) -> dict[str, object]:
    stride = None if module.stride == module.patch_size else module.stride
    return {"bias": _has(module.conv, "bias"), "stride": stride}


# Arguments that are no attributes of their names, by family.
_DERIVED: Mapping[type[Layer], Callable[[Any], Mapping[str, object]]] = {
    **dict.fromkeys((Conv, ConvTranspose, Linear), _biased),
    **dict.fromkeys((Patchify, Unpatchify), _patching),
    BatchNorm: _normalising,
    MultiheadAttention: _attending,
    DotProductAttention: lambda module: {"enable_gqa": bool(module.grouped)},
    Rearrange: lambda module: module.axes_lengths,
}


def contradictions(module: Any, layer: Layer) -> Iterator[str]:
    """Yield how a module computes something else than the layer it was read as: attributes can be set one by one."""
    if isinstance(layer, Conv) and layer.padding_mode != "zeros":
        pads = [pad for axis in reversed(layer.pads) for pad in axis]
        used = list(module._reversed_padding_repeated_twice)
        if used != pads:
            yield f"pads by {used}, from the last axis on, and its padding {layer.padding} is {pads}"
    if isinstance(layer, BatchNorm):
        if _has(module, "bias") and not _has(module, "weight"):
            yield "has a bias and no weight, which torch's arguments cannot say; a weight of ones would do the same"
        if _has(module, "running_mean") != _has(module, "running_var"):
            yield "has only one of running_mean and running_var"
    yield from _misfits(module, layer)


def _misfits(module: nn.Module, layer: Layer) -> Iterator[str]:
    """Yield parameters and statistics that are missing, or not of the layer's shapes."""
    shapes = {**layer.parameters(), **{name: statistic.shape for name, statistic in layer.statistics().items()}}
    for path, shape in shapes.items():
        owner, _, name = path.rpartition(".")
        tensor = effective_tensor(module.get_submodule(owner), name)
        if tensor is None or tensor.shape != shape:
            actual = "missing" if tensor is None else list(tensor.shape)
            yield f"its {path} is {actual}, and that of {layer} is {list(shape)}"
