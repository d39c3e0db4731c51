"""The weights that a torch module computes with, under the names of the layer that it is described as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convcheck.config.checks import DTYPES
from convcheck.errors import LayerError
from convcheck.layers import Layer, Sequential
from convcheck.sides.describe import DROPOUTS, describe, described_children, module_name
from convcheck.sides.effective_tensors import effective_tensor, iterates, made_by

_DTYPES = tuple(getattr(torch, name) for name in DTYPES)


@dataclass(frozen=True)
class ModuleWeights:
    """A module's layer, the tensors that it computes with in eval mode, and notes for the report."""

    layer: Layer
    tensors: dict[str, Tensor]
    """Parameters and statistics by the layer's names, detached, on the module's device and in its dtype."""
    notes: tuple[str, ...]
    homes: Mapping[str, tuple[nn.Module, str]]
    """The part of the module that has a tensor, and the tensor's name there."""
    trained: frozenset[str]
    """The tensors that take a gradient."""


def read_weights(module: nn.Module) -> ModuleWeights:
    """Read a module: its layer, and its weights, computed once where torch computes them before every call.

    The module is not called, and stays as it is.

    Raises:
        LayerError: it cannot be described, or its weights are no plain tensors of real floating-point numbers.
    """
    layer = describe(module)
    tensors: dict[str, Tensor] = {}
    homes: dict[str, tuple[nn.Module, str]] = {}
    trained: set[str] = set()
    notes: list[str] = []
    faults: list[str] = []
    for part, inside, name, path in _leaves(layer, module):
        for key in (*part.parameters(), *part.statistics()):
            prefix, _, attribute = key.rpartition(".")
            owner = inside.get_submodule(prefix)
            tensor = effective_tensor(owner, attribute)
            assert tensor is not None
            faults += [f"{path}{key} {fault}" for fault in _unplain(tensor)]
            tensors[name + key] = _plain(tensor)
            homes[name + key] = owner, attribute
            by = made_by(owner, attribute)
            stored = owner._parameters.get(attribute)
            sources = owner.parameters() if by else (tensor if stored is None else stored,)
            if any(source.requires_grad for source in sources) and not tensor.is_inference():
                trained.add(name + key)
            if by is not None:
                notes.append(
                    f"{path}{key} is computed by {type(owner).__name__}'s {by}; it is materialised, as it is now"
                )
    if faults:
        raise LayerError([(None, fault) for fault in faults], kind=type(module).__name__)
    return ModuleWeights(layer, tensors, (*notes, *_modes(module)), homes, frozenset(trained))


def _leaves(
    layer: Layer, module: nn.Module, name: str = "", path: str = ""
) -> Iterator[tuple[Layer, nn.Module, str, str]]:
    """Yield every layer of a chain with its module, and the prefixes of parameters' names, the layer's and torch's."""
    if not isinstance(layer, Sequential):
        yield layer, module, name, path
        return
    children = described_children(module)
    for number, (inner, (key, child)) in enumerate(zip(layer.layers, children, strict=True)):
        yield from _leaves(inner, child, f"{name}{number}.", f"{path}{key}.")


def _plain(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor, detached: one of a class of its own may compute in a way of its own."""
    with torch._C.DisableTorchFunctionSubclass():
        detached = tensor.detach()
        return detached if type(detached) is Tensor else detached.as_subclass(Tensor)


def _unplain(tensor: Tensor) -> Iterator[str]:
    """Yield why a tensor is no array of real numbers."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        yield "belongs to a transform of torch.func, within which it has no numbers; call convcheck outside of it"
    elif tensor.is_meta:
        yield "is on the meta device, where there are no numbers; load the weights first"
    elif tensor.layout is not torch.strided:
        yield f"is laid out as {tensor.layout}; it must be dense"
    elif tensor.dtype not in _DTYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        yield f"is {tensor.dtype}; it must be one of {names}"
    elif type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        yield f"is a {type(tensor).__name__}, which computes in its own way; it must be a plain tensor"


def _modes(module: nn.Module) -> Iterator[str]:
    """Yield sentences on modules that the description omits, and on those that are in train mode and differ there."""
    training = []
    for path, part in module.named_modules():
        where = module_name(path, part)
        if isinstance(part, DROPOUTS):
            yield f"{where} is left out: in eval mode it hands its input on as it is"
        if part.training and (effect := _in_training(part)):
            training.append(f"{where} {effect}")
    if training:
        yield f"train mode: {', '.join(training)}; the verdict is for eval mode; call .eval()"


def _in_training(module: nn.Module) -> str | None:
    """Return what a module does in train mode only; None if nothing."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
        return "normalises with the batch's statistics"
    if isinstance(module, DROPOUTS) and module.p > 0:
        return "drops values at random"
    if isinstance(module, nn.MultiheadAttention) and module.dropout > 0:
        return "drops attention at random"
    return "takes a step of its power iteration at every call" if iterates(module) else None
