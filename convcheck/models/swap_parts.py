"""The end of a swap file: `swap` and `swap_back`. Its source is copied behind the table SWAPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

StateDict = dict[str, Tensor]
Swap = tuple[type[nn.Module], dict[str, Any], type[nn.Module], Callable[..., StateDict], Callable[..., StateDict]]
SWAPS: dict[str, Swap] = {}
"""By path the old class and its arguments, the new class, and how weights go there and back."""


def _answers(kind: type[nn.Module], arguments: dict[str, Any], back: Callable[..., StateDict]) -> None:
    """Let the new class answer for what code asks of the old layer: its arguments, and its weights as they were."""

    def weight(name: str) -> property:
        return property(lambda self: back(dict(self.named_parameters()))[name])

    with torch.device("meta"):
        made = kind()
    for name, value in {**arguments, "weight": None, "bias": None}.items():
        if not hasattr(made, name) and not hasattr(kind, name):
            asks = name == "weight" or (name == "bias" and arguments.get("bias"))
            setattr(kind, name, weight(name) if asks else None if name == "bias" else value)


for _old, _arguments, _new, _convert, _back in SWAPS.values():
    _answers(_new, _arguments, _back)


def swap(model: nn.Module) -> nn.Module:
    """Swap the layers in place, with their weights, and return the model.

    Raises:
        ValueError: a layer is not the one that was proved; nothing is swapped then.
    """
    for path, (old, arguments, _, _, _) in SWAPS.items():
        layer = model.get_submodule(path)
        with torch.device("meta"):
            due = old(**arguments)
        if not isinstance(layer, old) or layer.extra_repr() != due.extra_repr():
            raise ValueError(f"{path} is {layer}; the swap is proved for {due}")
    for path, (_, _, new, convert, _) in SWAPS.items():
        _replace(model, path, new, {}, convert)
    return model


def swap_back(model: nn.Module) -> nn.Module:
    """Put the layers of before back in place, with their weights, bit for bit, and return the model.

    Raises:
        ValueError: a layer was not swapped, or copies of a weight are no longer the same.
    """
    for path, (_, _, new, _, back) in SWAPS.items():
        layer = model.get_submodule(path)
        if not isinstance(layer, new):
            raise ValueError(f"{path} is {layer}, which was not swapped")
        back(layer.state_dict())
    for path, (old, arguments, _, _, back) in SWAPS.items():
        _replace(model, path, old, arguments, back)
    return model


def convert_state(state_dict: StateDict) -> StateDict:
    """Return the swapped model's state dict from the model's."""
    return _converted(state_dict, {path: convert for path, (_, _, _, convert, _) in SWAPS.items()})


def convert_state_back(state_dict: StateDict) -> StateDict:
    """Return the model's state dict from the swapped model's."""
    return _converted(state_dict, {path: back for path, (_, _, _, _, back) in SWAPS.items()})


def _converted(state_dict: StateDict, functions: dict[str, Callable[..., StateDict]]) -> StateDict:
    state = dict(state_dict)
    for path, convert in functions.items():
        prefix = f"{path}." if path else ""
        inner = {name[len(prefix) :]: state.pop(name) for name in list(state) if name.startswith(prefix)}
        state |= {f"{prefix}{name}": tensor for name, tensor in convert(inner).items()}
    return state


def _replace(
    model: nn.Module,
    path: str,
    kind: type[nn.Module],
    arguments: dict[str, Any],
    convert: Callable[..., StateDict],
) -> None:
    """Put a module in the place of another: with its weights, its mode, and what takes gradients."""
    before = model.get_submodule(path)
    with torch.random.fork_rng(devices=[]):
        made = kind(**arguments)
    weights = {name: tensor.contiguous() for name, tensor in convert(before.state_dict()).items()}
    made.load_state_dict(weights, strict=True, assign=True)
    like = next(iter(weights.values()), None)
    if like is not None:
        # Constants that the module makes itself follow its weights.
        made.to(like.device, like.dtype)
    takes = {name: tensor.requires_grad for name, tensor in before.named_parameters()}
    if len(set(takes.values())) > 1:
        # Ones in place of what takes a gradient show where it goes.
        marks = convert({name: torch.full_like(t, takes.get(name, 0)) for name, t in before.state_dict().items()})
        for name, parameter in made.named_parameters():
            parameter.requires_grad_(bool(marks[name].any()))
    else:
        made.requires_grad_(any(takes.values()))
    made.train(before.training)
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, made)
