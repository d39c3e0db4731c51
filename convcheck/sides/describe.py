"""Describes a torch module as a layer by its attributes, some of which its print omits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from einops.layers.torch import Rearrange
from torch import nn

from convcheck.errors import LayerError
from convcheck.layers import Layer, Patchify, Unpatchify, parse_layer
from convcheck.layers.families import proved_kinds
from convcheck.modules import operations, patchify
from convcheck.modules.build import build
from convcheck.sides.attributes import contradictions, missing, read
from convcheck.sides.overrides import (
    computed_attributes,
    global_hooks,
    other_functions,
    overrides,
    parameter_hooks,
    uncalled_hooks,
)
from convcheck.sides.torch_modes import known_modes

_KINDS: Mapping[type[nn.Module], str] = {
    **{getattr(nn, kind): kind for kind in proved_kinds() if hasattr(nn, kind)},
    operations.AttentionOutput: "MultiheadAttention",
    operations.ScaledDotProductAttention: "scaled_dot_product_attention",
    patchify.Patchify: "Patchify",
    patchify.Unpatchify: "Unpatchify",
    Rearrange: "rearrange",
}

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)

_IDENTITIES = (nn.Identity, *DROPOUTS)

_KNOWN = (*_KINDS, operations.Operation)


def describe(module: nn.Module) -> Layer:
    """Return the layer that `module` is in eval mode. Dropout and Identity in a Sequential are left out.

    Raises:
        LayerError: with every reason why it cannot be described: an unknown class, an overridden forward, hooks,
            attributes that contradict each other.
    """
    if faults := list(global_hooks()):
        raise LayerError([(None, fault) for fault in faults], kind=module_name("", module))
    layer = _described(module, "")
    if layer is None:
        raise LayerError(
            [(None, "hands its input on as it is, so there is nothing to prove")], kind=module_name("", module)
        )
    first: dict[int, str] = {}
    for path, parameter in module.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), path)
        if other != path:
            fault = f"{path} is {other} once more; give each layer its own, since shared weights cannot be described"
            raise LayerError([(None, fault)], kind=module_name("", module))
    return layer


def kind_of(module: nn.Module) -> str | None:
    """Return the kind of layer that a module's class, or one that it is derived from, is; None if there is none."""
    return next((_KINDS[parent] for parent in type(module).__mro__ if parent in _KINDS), None)


def described_children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) of the children of a Sequential that its description includes, in order."""
    for name, child in module._modules.items():
        if child is not None and not _is_identity(child):
            yield name, child


def _is_identity(module: nn.Module) -> bool:
    if isinstance(module, nn.Sequential):
        return not list(described_children(module))
    return isinstance(module, _IDENTITIES)


def module_name(path: str, module: nn.Module) -> str:
    """Return a module as messages call it: its path in what is described, if it has one, and its class."""
    name = type(module).__name__
    return f"{path} ({name})" if path else name


def _described(module: nn.Module, path: str) -> Layer | None:
    """Return the layer; None for a module that returns its input. Raises LayerError as `describe` does."""
    base = next((parent for parent in type(module).__mro__ if parent in _KNOWN), None)
    faults = [_unreadable(module)] if base is None else list(overrides(module, base))
    if faults or base is None:
        raise LayerError([(None, fault) for fault in faults], kind=module_name(path, module))
    if isinstance(module, nn.Sequential):
        faults = list(computed_attributes(module, base, nn.Sequential()))
        if faults:
            raise LayerError([(None, fault) for fault in faults], kind=module_name(path, module))
        return _sequential(module, path)
    try:
        layer = read(module, module.name if isinstance(module, operations.Operation) else _KINDS[base])
        with known_modes(), torch.device("meta"):
            plain = build(layer)
        faults = [*missing(module, plain), *computed_attributes(module, base, plain)]
        if isinstance(module, nn.MultiheadAttention):
            faults += [f"its out_proj {fault}" for fault in _projection(module, plain)]
        faults = faults or list(contradictions(module, layer))
    except LayerError as error:
        raise LayerError(error.faults, kind=module_name(path, module)) from None
    if faults or (faults := list(_unwrapped(module, layer, path))):
        raise LayerError([(None, fault) for fault in faults], kind=module_name(path, module))
    return None if isinstance(module, _IDENTITIES) else layer


def _projection(module: nn.MultiheadAttention, plain: nn.Module) -> Iterator[str]:
    """Yield what is wrong with the output of an attention, of which torch takes the weights alone."""
    projection, due = module._modules.get("out_proj"), plain.get_submodule("out_proj")
    if not isinstance(projection, nn.Linear):
        yield f"is a {type(projection).__name__}, and that of a plain module is a Linear"
        return
    base = next(parent for parent in type(projection).__mro__ if parent in (type(due), nn.Linear))
    if faults := list(other_functions(projection, base)):
        yield from faults
        return
    yield from computed_attributes(projection, base, due)
    yield from uncalled_hooks(projection)
    yield from parameter_hooks(projection)


def _unreadable(module: nn.Module) -> str:
    children = getattr(module, "_modules", None) or {}
    inside = next((name for name, child in children.items() if child is not None), None)
    parts = f"; it holds other modules, which may be passed one by one, such as .{inside}" if inside else ""
    return f"cannot be read as a layer{parts}; there are: {', '.join(dict.fromkeys(_KINDS.values()))}"


def _sequential(module: nn.Sequential, path: str) -> Layer | None:
    layers: list[Layer] = []
    faults: list[str] = []
    children: Mapping[str, nn.Module | None] = module._modules
    for name, child in children.items():
        inner = f"{path}.{name}" if path else name
        if child is None:
            faults.append(f"{inner} is None, which torch cannot call; take it out")
            continue
        try:
            layer = _described(child, inner)
            layers += [layer] if layer is not None else []
        except LayerError as error:
            faults.append(str(error))
        if isinstance(child, nn.MultiheadAttention) and not isinstance(child, operations.AttentionOutput):
            faults.append(
                f"{module_name(inner, child)}: takes three inputs and makes two outputs; in a chain there is one"
            )
    if faults:
        raise LayerError([(None, fault) for fault in faults])
    return parse_layer({"op": "Sequential", "layers": layers}) if layers else None


def _unwrapped(module: nn.Module, layer: Layer, path: str) -> Iterator[str]:
    """Yield a sentence if the convolution inside Patchify or Unpatchify is not the layer's."""
    if not isinstance(module, (patchify.Patchify, patchify.Unpatchify)):
        return
    assert isinstance(layer, (Patchify, Unpatchify))
    if isinstance(layer, Patchify):
        due: Layer = layer.conv()
    else:
        due = dataclasses.replace(layer, output_spatial_shape=None).conv(())
    conv = _described(module.conv, f"{path}.conv".strip("."))
    if conv != due:
        yield f"its conv is {conv}, and that of {layer} is {due}"
