"""Changes of a torch module after which it computes what its attributes say."""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from benchmarks.tampering import InapplicableError, Way, give_class, parameter_of, part_of


def _subclass(module: nn.Module, random: Random) -> None:
    give_class(part_of(module, random), note="mine", extra_repr=lambda _: "mine")


def _tensor_class(module: nn.Module, random: Random) -> None:
    part, name = parameter_of(module, random)
    part._parameters[name] = type("Mine", (nn.Parameter,), {})(part._parameters[name].detach())


def _more(module: nn.Module, random: Random) -> None:
    part = part_of(module, random)
    part.register_buffer("calls", torch.zeros(3))
    part.register_parameter("spare", nn.Parameter(torch.ones(2)))


def _view(module: nn.Module, random: Random) -> None:
    """Let a parameter be a part of a longer tensor, as sharding libraries do."""
    part, name = parameter_of(module, random)
    value = part._parameters[name].detach()
    flat = torch.cat([torch.zeros(3, dtype=value.dtype), value.flatten()])
    part._parameters[name] = nn.Parameter(flat[3:].view(value.shape))


def _strides(module: nn.Module, random: Random) -> None:
    part, name = parameter_of(module, random)
    value = part._parameters[name].detach()
    part._parameters[name] = nn.Parameter(value.transpose(0, -1).contiguous().transpose(0, -1))


def _frozen(module: nn.Module, random: Random) -> None:
    part, name = parameter_of(module, random)
    part._parameters[name].requires_grad_(False)


def _weighted(module: nn.Module, random: Random) -> Any:
    """Choose a part with a weight, which is called itself; out_proj of attention is not."""
    parts = [
        part for path, part in module.named_modules() if "weight" in part._parameters and not path.endswith("out_proj")
    ]
    if not parts:
        raise InapplicableError
    return random.choice(parts)


def _parametrized(module: nn.Module, random: Random) -> None:
    way: Any = random.choice((parametrizations.weight_norm, parametrizations.spectral_norm))
    way(_weighted(module, random))


def _refreshed(module: nn.Module, random: Random) -> None:
    """Let one of torch's older hooks compute the weight, which is stale until the next call."""
    part = _weighted(module, random)
    way: Any = random.choice((nn.utils.weight_norm, nn.utils.spectral_norm, prune.l1_unstructured))
    with warnings.catch_warnings():
        # torch would rather have parametrizations.
        warnings.simplefilter("ignore", FutureWarning)
        way(part, "weight", **({"amount": 0.3} if way is prune.l1_unstructured else {}))
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.mul_(1.5)


def _unregistered(module: nn.Module, random: Random) -> None:
    """Keep a tensor as a buffer that is no parameter any more."""
    part, name = parameter_of(module, random)
    value = part._parameters.pop(name).detach()
    part.register_buffer(name, value)


def _train(module: nn.Module, _random: Random) -> None:
    module.train()


def _inference(module: nn.Module, random: Random) -> None:
    """Hold a tensor that was made in inference mode, and so takes no gradient."""
    part, name = parameter_of(module, random)
    with torch.inference_mode():
        part._parameters[name] = nn.Parameter(part._parameters[name].clone(), requires_grad=False)


def _dtype(module: nn.Module, random: Random) -> None:
    module.to(random.choice((torch.float32, torch.bfloat16, torch.float16)))


WAYS: dict[str, Way] = {
    "harmless: a subclass": _subclass,
    "harmless: a subclass of the weight": _tensor_class,
    "harmless: more buffers and parameters": _more,
    "harmless: a weight that is a view": _view,
    "harmless: a weight of other strides": _strides,
    "harmless: a frozen weight": _frozen,
    "harmless: a parametrized weight": _parametrized,
    "harmless: a weight that a hook of torch's computes": _refreshed,
    "harmless: a weight that is a buffer": _unregistered,
    "harmless: train mode": _train,
    "harmless: another dtype": _dtype,
    "harmless: a weight made in inference mode": _inference,
}
