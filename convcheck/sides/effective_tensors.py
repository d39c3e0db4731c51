"""The tensors that a module computes with now, including those that torch computes from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from convcheck.sides.torch_modes import known_modes

REFRESHING = (WeightNorm, SpectralNorm, BasePruningMethod)
"""torch's hooks that compute a tensor before every call. Until the next one, the attribute may hold an old tensor."""

# What torch calls the classes behind its functions of these names.
_FUNCTIONS = {"_WeightNorm": "weight_norm", "_SpectralNorm": "spectral_norm", "_Orthogonal": "orthogonal"}


def hook_computed(module: nn.Module) -> Iterator[tuple[str, str, Callable[[], Tensor]]]:
    """Yield (name, hook's name, function that computes it) of the tensors that hooks compute before every call."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            yield hook.name, "weight_norm", partial(hook.compute_weight, module)
        elif isinstance(hook, SpectralNorm):
            # A step of the power iteration, as in train mode, would change the module.
            yield hook.name, "spectral_norm", partial(hook.compute_weight, module, do_power_iteration=False)
        elif isinstance(hook, BasePruningMethod):
            yield hook._tensor_name, "pruning", partial(hook.apply_mask, module)


def effective_tensor(module: nn.Module, name: str) -> Tensor | None:
    """Return a tensor of `module` by its name, as a call in eval mode would use it. The module stays as it is."""
    modes = nullcontext() if made_by(module, name) is None else known_modes()
    with modes, torch.no_grad(), left_as_it_was(module):
        for computed, _, compute in hook_computed(module):
            if computed == name:
                return compute()
        tensor = getattr(module, name, None)
    return tensor if isinstance(tensor, Tensor) else None


def made_by(module: nn.Module, name: str) -> str | None:
    """Return the name of what computes a tensor of `module` from others; None if the tensor is stored."""
    if is_parametrized(module, name):
        steps = module.parametrizations[name]  # type: ignore[index]  # a ModuleDict, by is_parametrized
        return " and ".join(_FUNCTIONS.get(type(step).__name__, type(step).__name__) for step in steps)
    return next((by for computed, by, _ in hook_computed(module) if computed == name), None)


def iterates(module: nn.Module) -> bool:
    """Tell whether a call of `module` in train mode takes a power iteration, which changes the weight."""
    hooked = any(isinstance(hook, SpectralNorm) for hook in module._forward_pre_hooks.values())
    return hooked or type(module).__name__ == "_SpectralNorm"


@contextmanager
def left_as_it_was(module: nn.Module) -> Iterator[Callable[[], list[str]]]:
    """Set a module to eval mode, and all that it holds back; what is given tells which tensors were changed.

    In train mode, even to read a spectrally normed weight takes a step of its power iteration.
    """
    parts = list(nn.Module.modules(module))
    # A scripted module has its tensors and its mode outside of Python, where nothing is taken away or added.
    scripted = [(part, part.training) for part in parts if isinstance(part, torch.jit.ScriptModule)]
    plain = [part for part in parts if not isinstance(part, torch.jit.ScriptModule)]
    stores = [store for part in plain for store in (vars(part), part._parameters, part._buffers, part._modules)]
    before = [dict(store) for store in stores]
    tensors = _stored_tensors(module)
    versions = {name: tensor._version for name, tensor in tensors.items()}

    def changed() -> list[str]:
        now = _stored_tensors(module)
        return [name for name, t in tensors.items() if now.get(name) is not t or t._version != versions[name]]

    for part in plain:
        vars(part)["training"] = False
    for part, _ in scripted:
        part.training = False
    try:
        yield changed
    finally:
        for store, content in zip(stores, before, strict=True):
            store.clear()
            store.update(content)
        for part, mode in scripted:
            part.training = mode


def _stored_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, but for those made in inference mode, which count no changes."""
    walks = (nn.Module.named_parameters(module), nn.Module.named_buffers(module))
    return {name: tensor for walk in walks for name, tensor in walk if not tensor.is_inference()}
