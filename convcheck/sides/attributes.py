"""Reads one torch module as a layer by its attributes, and checks that these agree."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from convcheck.errors import LayerError, shown
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
            values[argument.name] = _number(module, argument.name)
    return parse_layer({"op": kind, **values})


def _attribute(module: nn.Module, name: str, kind: type = object) -> Any:
    """Return an attribute of a module. Raises LayerError if it has none of this name, or not one of this kind."""
    try:
        value = getattr(module, name)
    except AttributeError:
        raise LayerError([(name, f"its {name} is missing; a plain module has one")]) from None
    except Exception as error:  # whatever the user's code raises
        raise LayerError([(name, f"its {name} raises {type(error).__name__}; a plain module has one")]) from None
    if not isinstance(value, kind):
        raise LayerError([(name, f"its {name} is {shown(value)}; a plain module has a {kind.__name__} there")])
    return value


def _number(module: nn.Module, name: str) -> object:
    """Return an attribute that is a number, a text or None, or a tuple of them; whole numbers of numpy as Python's own.

    Raises:
        LayerError: it is missing, or something else, such as a tensor of several numbers.
    """
    value = _attribute(module, name)
    try:
        return _plain(value)
    except TypeError:
        fault = f"its {name} is {shown(value)}; a plain module has a number, or a tuple of numbers, of Python's there"
        raise LayerError([(name, fault)]) from None


def _plain(value: object) -> object:
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    if value is None or isinstance(value, (bool, float, str)):
        return value
    return operator.index(value)  # type: ignore[arg-type]  # a TypeError for what is no whole number


_ENTRIES: Mapping[str, type] = {"_parameters": Tensor, "_buffers": Tensor, "_modules": nn.Module}


def malformed(module: nn.Module) -> Iterator[str]:
    """Yield the tables of a module and of its parts, such as that of its buffers, that are none, or hold other things.

    The modules of a chain are left out, each of which is read on its own.
    """
    tables = [name for name, table in vars(nn.Module()).items() if isinstance(table, dict)]
    parts, met = [("", module)], {id(module)}
    for path, part in parts:
        for name in tables:
            # Not by way of the class, which may compute it.
            table = inspect.getattr_static(part, name, None)
            if not isinstance(table, dict):
                yield f"its {path}{name} is {shown(table)}; a plain module has a dict there"
                continue
            if isinstance(part, nn.Sequential) and name == "_modules":
                continue
            for inside, entry in table.items():
                kind = _ENTRIES.get(name, object)
                if not isinstance(entry, kind) and entry is not None:
                    yield f"its {path}{inside} is {shown(entry)}; a plain module has a {kind.__name__} there"
                elif isinstance(entry, nn.Module) and id(entry) not in met:
                    met.add(id(entry))
                    parts.append((f"{path}{inside}.", entry))


def missing(module: nn.Module, plain: nn.Module) -> Iterator[str]:
    """Yield the attributes of a `plain` module that another one has not; for tensors, see `contradictions`."""
    for name in vars(plain):
        if inspect.getattr_static(module, name, _NOTHING) is _NOTHING:
            yield f"its {name} is missing; a plain module has one"


_NOTHING = object()


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
    widths = {name: _number(module, name) for name in ("embed_dim", "kdim", "vdim")}
    embed_dim = widths.pop("embed_dim")
    return {**flags, **{name: None if width == embed_dim else width for name, width in widths.items()}}


def _patching(module: Any) -> dict[str, object]:
    stride = _number(module, "stride")
    conv = _attribute(module, "conv", nn.Module)
    return {"bias": _has(conv, "bias"), "stride": None if stride == _number(module, "patch_size") else stride}


# Arguments that are no attributes of their names, by family.
_DERIVED: Mapping[type[Layer], Callable[[Any], Mapping[str, object]]] = {
    **dict.fromkeys((Conv, ConvTranspose, Linear), _biased),
    **dict.fromkeys((Patchify, Unpatchify), _patching),
    BatchNorm: _normalising,
    MultiheadAttention: _attending,
    DotProductAttention: lambda module: {"enable_gqa": bool(_attribute(module, "grouped", dict))},
    Rearrange: lambda module: _attribute(module, "axes_lengths", dict),
}


def contradictions(module: Any, layer: Layer) -> Iterator[str]:
    """Yield how a module computes something else than the layer it was read as: attributes can be set one by one."""
    if isinstance(layer, Conv) and layer.padding_mode != "zeros":
        pads = [pad for axis in reversed(layer.pads) for pad in axis]
        used = _number(module, "_reversed_padding_repeated_twice")
        if used != tuple(pads):
            pairs = list(used) if isinstance(used, tuple) else used
            yield f"pads by {pairs}, from the last axis on, and its padding {layer.padding} is {pads}"
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
