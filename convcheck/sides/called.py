"""Calls a module on other tensors than its own, as `torch.func.functional_call` does.

That looks for the places of all tensors in every call, which takes a small module as long as the call itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.func import functional_call

Places = Mapping[str, tuple[dict[str, Tensor | None], str]]
"""For the name of every tensor of a module the dictionary that holds it, and its key there."""


def places_of(module: nn.Module) -> Places:
    """Return where a module holds its parameters and buffers; nothing if one of them is in several places."""
    places = {
        f"{prefix}.{name}" if prefix else name: (held, name)
        for prefix, inner in module.named_modules(remove_duplicate=False)
        for held in (cast("dict[str, Tensor | None]", inner._parameters), inner._buffers)
        for name, tensor in held.items()
        if tensor is not None
    }
    tensors = {id(held[name]) for held, name in places.values()}
    return places if len(tensors) == len(places) else {}


def call(module: nn.Module, tensors: Mapping[str, Tensor], inputs: Sequence[Tensor], places: Places) -> Tensor:
    """Return the output of a module on inputs, with other tensors in the places of its own of these names."""
    if not tensors.keys() <= places.keys():
        # They are in several places, or in none, of which torch has its own to say.
        return cast(Tensor, functional_call(module, dict(tensors), tuple(inputs)))
    before = [(places[name], places[name][0][places[name][1]]) for name in tensors]
    try:
        for name, tensor in tensors.items():
            held, key = places[name]
            held[key] = tensor
        return cast(Tensor, module(*inputs))
    finally:
        for (held, key), own in before:
            held[key] = own
