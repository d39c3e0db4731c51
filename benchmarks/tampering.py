"""Ways to make a torch module something else than its attributes say, and ways that leave it what it is.

Every way takes a module, its part with weights (itself, if it is no chain) and random numbers, and returns the module. It
raises Inapplicable where there is nothing to change, such as a bias that is not there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

Way = Callable[[nn.Module, nn.Module, Random], nn.Module]


class Inapplicable(Exception):
    """A module has not what a way would change."""


def _tensor(part: nn.Module, random: Random) -> str:
    """Choose a parameter of a part by name."""
    names = [name for name, parameter in part._parameters.items() if parameter is not None]
    if not names:
        raise Inapplicable
    return random.choice(names)


def _value(part: nn.Module, name: str) -> Tensor:
    value = part._parameters[name]
    assert value is not None
    return value


def _factor(random: Random) -> float:
    return random.choice((2.0, -1.0, 0.0, 1 + 1e-3, 1 + 1e-6))


def _of_class(module: nn.Module, **names: Any) -> nn.Module:
    """Give a module a subclass of its class, with more in it."""
    module.__class__ = type(type(module).__name__, (type(module),), names)
    return module


# Attributes


def shadowed(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Put a tensor beside a parameter, where Python finds it first."""
    name = _tensor(part, random)
    part.__dict__[name] = _value(part, name).detach() * _factor(random)
    return module


def shadowed_in_training(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name = _tensor(part, random)
    part.__dict__[name] = (_value(part, name).detach() * _factor(random)).requires_grad_()
    return module


def forward_on_instance(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    forward, factor = part.forward, _factor(random)
    part.forward = lambda *inputs, **options: _scaled(forward(*inputs, **options), factor)
    return module


def compiled_call(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    call, factor = part._call_impl, _factor(random)
    part._compiled_call_impl = lambda *inputs, **options: _scaled(call(*inputs, **options), factor)
    return module


def inner_function(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Replace a function that forward calls, if there is one."""
    names = [name for name in ("_conv_forward", "_output_padding", "_channels_last") if hasattr(part, name)]
    if not names:
        raise Inapplicable
    function, factor = getattr(part, random.choice(names)), _factor(random)
    setattr(part, function.__name__, lambda *inputs: _scaled(function(*inputs), factor))
    return module


def other_recipe(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Change the pattern of einops' layer after it was read."""
    if not hasattr(part, "pattern"):
        raise Inapplicable
    left, right = part.pattern.split("->")  # type: ignore[operator,union-attr]
    axes = right.split()
    random.shuffle(axes)
    part.pattern = f"{left}-> {' '.join(axes)}"
    if part.pattern.split() == f"{left}->{right}".split():
        raise Inapplicable
    return module


def changed_number(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Change what torch reads when it is called; a description that follows is right."""
    numbers = [name for name in ("stride", "dilation", "padding", "eps", "upscale_factor") if hasattr(part, name)]
    if not numbers:
        raise Inapplicable
    name = random.choice(numbers)
    value = getattr(part, name)
    setattr(part, name, tuple(each + 1 for each in value) if isinstance(value, tuple) else value + 1)
    return module


# Hooks


def _hook(register: str) -> Way:
    def hooked(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
        factor = _factor(random)
        at = random.choice((module, part))

        def change(_module: nn.Module, *values: Any) -> Any:
            # A forward hook changes the output, all others what they get first.
            value = values[-1] if register == "register_forward_hook" else values[0]
            return tuple(_scaled(each, factor) for each in value) if isinstance(value, tuple) else value * factor

        getattr(at, register)(change)
        return module

    return hooked


def gradient_hook(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    factor = _factor(random)
    _value(part, _tensor(part, random)).register_hook(lambda gradient: gradient * factor)
    return module


def clipping_hook(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Clip gradients that are as large as few are."""
    _value(part, _tensor(part, random)).register_hook(lambda gradient: gradient.clamp(-1, 1))
    return module


def accumulated_hook(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    factor = _factor(random)

    def change(parameter: Tensor) -> None:
        assert parameter.grad is not None
        parameter.grad *= factor

    _value(part, _tensor(part, random)).register_post_accumulate_grad_hook(change)
    return module


# Subclasses and descriptors


def forward_of_subclass(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    base, factor = type(part).forward, _factor(random)
    _of_class(part, forward=lambda self, *inputs, **options: _scaled(base(self, *inputs, **options), factor))
    return module


def call_of_subclass(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name, factor = random.choice(("__call__", "_call_impl", "_wrapped_call_impl")), _factor(random)
    base = getattr(type(part), name)
    _of_class(part, **{name: lambda self, *inputs, **options: _scaled(base(self, *inputs, **options), factor)})
    return module


def noisy_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name, size = _tensor(part, random), random.choice((1.0, 1e-3))
    _of_class(part, **{name: property(lambda self: _noisy(self._parameters[name], size))})
    return module


def scaled_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Compute with another weight than the parameter that has its name."""
    name, factor = _tensor(part, random), _factor(random)
    _of_class(part, **{name: property(lambda self: self._parameters[name] * factor)})
    return module


def wrong_slope(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Compute with the weight itself, and give it another gradient."""
    name = _tensor(part, random)
    _of_class(part, **{name: property(lambda self: _Doubling.apply(self._parameters[name]))})
    return module


def drifting_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Change the weight a little whenever it is read."""
    name = _tensor(part, random)

    def read(self: nn.Module) -> Tensor:
        with torch.no_grad():
            return _value(self, name).mul_(1.01)

    _of_class(part, **{name: property(read)})
    return module


def counting_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Compute with another weight at every other call."""
    name, reads = _tensor(part, random), iter(range(10**6))
    _of_class(part, **{name: property(lambda self: self._parameters[name] * (1 + next(reads) % 2))})
    return module


def getattr_of_subclass(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name, factor, base = _tensor(part, random), _factor(random), nn.Module.__getattr__
    _of_class(part, __getattr__=lambda self, key: base(self, key) * (factor if key == name else 1))
    return module


def attribute_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Tell another stride or padding the first times that it is asked."""
    names = [name for name in ("stride", "padding", "eps", "training") if hasattr(part, name)]
    name, reads = random.choice(names), iter(range(10**6))
    value = getattr(part, name)
    other = tuple(each + 1 for each in value) if isinstance(value, tuple) else value + 1
    until = random.choice((1, 2, 5))
    _of_class(part, **{name: property(lambda _: value if next(reads) < until else other, lambda _self, _value: None)})
    return module


def always_training(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Stay in train mode whatever is asked for; that matters to a norm."""
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise Inapplicable
    _of_class(norms[0], training=property(lambda _: True, lambda _self, _value: None))
    return module


def dict_of_its_own(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Keep parameters in a dictionary that hands out others."""
    name, noise = _tensor(part, random), random.choice((True, False))
    factor = _factor(random)

    class Odd(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            value = super().__getitem__(key)
            if key != name:
                return value
            return _noisy(value, 1.0) if noise else value * factor

    part.__dict__["_parameters"] = Odd(part._parameters)
    return module


def tensor_class(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Hold a weight that computes in its own way."""
    name, factor = _tensor(part, random), _factor(random)

    class Odd(nn.Parameter):
        @classmethod
        def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            with torch._C.DisableTorchFunctionSubclass():
                made = function(*args, **(kwargs or {}))
            computed = isinstance(made, Tensor) and function.__name__.startswith(("conv", "linear", "batch_norm"))
            return made * factor if computed else made

    part._parameters[name] = Odd(_value(part, name).detach())
    return module


# Buffers


def statistics_property(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise Inapplicable
    name, factor, reads = random.choice(("running_mean", "running_var")), _factor(random), iter(range(10**6))
    _of_class(
        norms[0], **{name: property(lambda self: self._buffers[name] * (factor if next(reads) > 5 else 1))}
    )
    return module


def noisy_parametrization(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    parametrize.register_parametrization(part, _tensor(part, random), _Noise())
    return module


# What changes nothing


def plain_subclass(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    _of_class(part, note="mine", extra_repr=lambda _: "mine")
    return module


def plain_tensor_class(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name = _tensor(part, random)
    part._parameters[name] = type("Mine", (nn.Parameter,), {})(_value(part, name).detach())
    return module


def more_buffers(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    part.register_buffer("calls", torch.zeros(3))
    part.register_parameter("spare", nn.Parameter(torch.ones(2)))
    return module


def view(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Let a parameter be a part of a longer tensor, as sharding libraries do."""
    name = _tensor(part, random)
    value = _value(part, name).detach()
    flat = torch.cat([torch.zeros(3, dtype=value.dtype), value.flatten()])
    part._parameters[name] = nn.Parameter(flat[3:].view(value.shape))
    return module


def other_strides(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    name = _tensor(part, random)
    value = _value(part, name).detach()
    part._parameters[name] = nn.Parameter(value.transpose(0, -1).contiguous().transpose(0, -1))
    return module


def frozen(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    _value(part, _tensor(part, random)).requires_grad_(False)
    return module


def parametrized(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    if "weight" not in part._parameters:
        raise Inapplicable
    return _within(module, part, random.choice((parametrizations.weight_norm, parametrizations.spectral_norm)))


def refreshed(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Let one of torch's older hooks compute the weight, which is stale until the next call."""
    if "weight" not in part._parameters:
        raise Inapplicable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        way = random.choice(
            (nn.utils.weight_norm, nn.utils.spectral_norm, lambda part: prune.l1_unstructured(part, "weight", 0.3))
        )
        way(part)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.mul_(1.5)
    return module


def unregistered(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Keep a tensor as a buffer that is no parameter any more."""
    name = _tensor(part, random)
    value = _value(part, name).detach()
    del part._parameters[name]
    part.register_buffer(name, value)
    return module


def trained(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    return module.train()


def in_inference(module: nn.Module, part: nn.Module, random: Random) -> nn.Module:
    """Hold a tensor that was made in inference mode, and so takes no gradient."""
    name = _tensor(part, random)
    with torch.inference_mode():
        part._parameters[name] = nn.Parameter(_value(part, name).clone(), requires_grad=False)
    return module


TAMPERED: dict[str, Way] = {
    "attribute: a tensor beside the parameter": shadowed,
    "attribute: a trained tensor beside the parameter": shadowed_in_training,
    "attribute: a number that torch reads": changed_number,
    "attribute: forward": forward_on_instance,
    "attribute: _compiled_call_impl": compiled_call,
    "attribute: a function that forward calls": inner_function,
    "attribute: einops' pattern": other_recipe,
    "hook: forward": _hook("register_forward_hook"),
    "hook: before forward": _hook("register_forward_pre_hook"),
    "hook: backward": _hook("register_full_backward_hook"),
    "hook: before backward": _hook("register_full_backward_pre_hook"),
    "hook: on a parameter": gradient_hook,
    "hook: on a parameter, for few gradients": clipping_hook,
    "hook: after a gradient is accumulated": accumulated_hook,
    "subclass: forward": forward_of_subclass,
    "subclass: what is called": call_of_subclass,
    "subclass: __getattr__": getattr_of_subclass,
    "subclass: of the weight": tensor_class,
    "subclass: of the dictionary of parameters": dict_of_its_own,
    "descriptor: noise": noisy_property,
    "descriptor: another weight": scaled_property,
    "descriptor: another slope": wrong_slope,
    "descriptor: a weight that drifts": drifting_property,
    "descriptor: a weight that alternates": counting_property,
    "descriptor: an attribute that changes": attribute_property,
    "descriptor: always in train mode": always_training,
    "buffer: statistics that change": statistics_property,
    "buffer: noise in a parametrization": noisy_parametrization,
}

HARMLESS: dict[str, Way] = {
    "a subclass": plain_subclass,
    "a subclass of the weight": plain_tensor_class,
    "more buffers and parameters": more_buffers,
    "a weight that is a view": view,
    "a weight of other strides": other_strides,
    "a frozen weight": frozen,
    "a parametrized weight": parametrized,
    "a weight that a hook of torch's computes": refreshed,
    "a weight that is a buffer": unregistered,
    "train mode": trained,
    "a weight made in inference mode": in_inference,
}


def _within(module: nn.Module, part: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    change(part)
    return module


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_scaled(each, factor) for each in value)
    return value * factor if isinstance(value, Tensor) and value.is_floating_point() else value


def _noisy(value: Any, size: float) -> Any:
    return value + size * torch.randn_like(value)


class _Doubling(torch.autograd.Function):
    """Hands a tensor on, and doubles its gradient."""

    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * gradient


class _Noise(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight + torch.randn_like(weight)
