"""The end of a swap file: `swap` and `swap_back`. Its source is copied behind the table SWAPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

StateDict = dict[str, Tensor]
Convert = Callable[[StateDict], StateDict]
Layer = tuple[type[nn.Module], dict[str, Any]]
Swap = tuple[tuple[Layer, ...], type[nn.Module], Convert, Convert | None]
SWAPS: dict[tuple[str, ...], Swap] = {}
"""By path the old class and its arguments, the new class, and how weights go there and back.

Of several layers the first gives its place to the merged one, the others to nn.Identity; they have no way back.
"""


def _answers(kind: type[nn.Module], arguments: dict[str, Any], back: Convert | None) -> None:
    """Let the new class answer for what code asks of the old layer: its arguments, and its weights as they were."""

    def weight(name: str) -> property:
        return property(lambda self: back(dict(self.named_parameters()))[name])  # type: ignore[misc]

    with torch.device("meta"):
        made = kind()
    for name, value in {**arguments, "weight": None, "bias": None}.items():
        if not hasattr(made, name) and not hasattr(kind, name):
            asks = name == "weight" or (name == "bias" and arguments.get("bias"))
            if not asks or back is not None:
                setattr(kind, name, weight(name) if asks else None if name == "bias" else value)


for _olds, _new, _, _back in SWAPS.values():
    _answers(_new, _olds[0][1], _back)


def swap(model: nn.Module) -> nn.Module:
    """Swap the layers in place, with their weights, and return the model.

    Raises:
        ValueError: a layer is not the one that was proved; nothing is swapped then.
    """
    for paths, (olds, _, _, _) in SWAPS.items():
        for path, (old, arguments) in zip(paths, olds, strict=True):
            layer = model.get_submodule(path)
            with torch.device("meta"):
                due = old(**arguments)
            if not isinstance(layer, old) or layer.extra_repr() != due.extra_repr():
                raise ValueError(f"{path} is {layer}; the swap is proved for {due}")
    for paths, (_, new, convert, _) in SWAPS.items():
        layers = [model.get_submodule(path) for path in paths]
        _replace(model, paths[0], new, {}, layers, convert)
        for path in paths[1:]:
            _install(model, path, nn.Identity())
    return model


def swap_back(model: nn.Module, before: StateDict | None = None) -> nn.Module:
    """Put the layers of before back in place, with their weights, bit for bit, and return the model.

    `before` has the weights of layers that were merged, by their names in the model.

    Raises:
        ValueError: a layer was not swapped, copies of a weight are no longer the same, or `before` is wanted.
    """
    for paths, (_, new, _, back) in SWAPS.items():
        layer = model.get_submodule(paths[0])
        if not isinstance(layer, new):
            raise ValueError(f"{paths[0]} is {layer}, which was not swapped")
        if back is None:
            _of(before, paths)
        else:
            back(layer.state_dict())
    for paths, (olds, _, _, back) in SWAPS.items():
        layer = model.get_submodule(paths[0])
        for path, (old, arguments) in zip(paths, olds, strict=True):
            _replace(model, path, old, arguments, [layer], back or _given(_named(before or {}, path), layer))
    return model


def convert_state(state_dict: StateDict) -> StateDict:
    """Return the swapped model's state dict from the model's."""
    state = dict(state_dict)
    for paths, (_, _, convert, _) in SWAPS.items():
        parts = [{name: state.pop(f"{path}.{name}") for name in _named(state, path)} for path in paths]
        state |= {f"{paths[0]}.{name}": tensor for name, tensor in convert(_joined(parts)).items()}
    return state


def convert_state_back(state_dict: StateDict, before: StateDict | None = None) -> StateDict:
    """Return the model's state dict from the swapped model's; `before` has the weights of layers that were merged.

    Raises:
        ValueError: copies of a weight are no longer the same, or `before` is wanted.
    """
    state = dict(state_dict)
    for paths, (_, _, _, back) in SWAPS.items():
        inner = {name: state.pop(f"{paths[0]}.{name}") for name in _named(state, paths[0])}
        state |= _of(before, paths) if back is None else {f"{paths[0]}.{n}": t for n, t in back(inner).items()}
    return state


def _named(state: StateDict, path: str) -> StateDict:
    """Return the tensors of a layer, by their names in it."""
    return {name[len(path) + 1 :]: tensor for name, tensor in state.items() if name.startswith(f"{path}.")}


def _joined(parts: list[StateDict]) -> StateDict:
    """Return the tensors of a chain by number and name, those of one layer by name."""
    if len(parts) == 1:
        return parts[0]
    return {f"{number}.{name}": tensor for number, part in enumerate(parts) for name, tensor in part.items()}


def _of(before: StateDict | None, paths: tuple[str, ...]) -> StateDict:
    """Return the tensors of merged layers. Raises ValueError where they are not given."""
    state = {name: tensor for path in paths for name, tensor in (before or {}).items() if name.startswith(f"{path}.")}
    if not state:
        raise ValueError(f"{' and '.join(paths)} were merged and cannot be told apart; give the state dict of before")
    return state


def _given(weights: StateDict, layer: nn.Module) -> Convert:
    """Return a function to weights that are given, on the device of a layer, whatever it takes."""
    device = next(layer.parameters()).device
    return lambda _: {name: tensor.to(device, copy=True) for name, tensor in weights.items()}


def _replace(
    model: nn.Module,
    path: str,
    kind: type[nn.Module],
    arguments: dict[str, Any],
    before: list[nn.Module],
    convert: Convert,
) -> None:
    """Put a module in the place of others: with their weights, their mode, and what takes gradients."""
    with torch.random.fork_rng(devices=[]):
        made = kind(**arguments)
    state = _joined([dict(layer.state_dict()) for layer in before])
    weights = {name: tensor.contiguous() for name, tensor in convert(state).items()}
    made.load_state_dict(weights, strict=True, assign=True)
    like = next((tensor for tensor in weights.values() if tensor.is_floating_point()), None)
    if like is not None:
        # Constants that the module makes itself follow its weights.
        made.to(like.device, like.dtype)
    takes = {parameter.requires_grad for layer in before for parameter in layer.parameters()}
    if len(before) == 1 and len(takes) > 1:
        # Ones in place of what takes a gradient show where it goes.
        gradients = {name: parameter.requires_grad for name, parameter in before[0].named_parameters()}
        marks = convert({name: torch.full_like(t, gradients.get(name, 0)) for name, t in state.items()})
        for name, parameter in made.named_parameters():
            parameter.requires_grad_(bool(marks[name].any()))
    else:
        made.requires_grad_(any(takes))
    made.train(before[0].training)
    _install(model, path, made)


def _install(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)
