"""Ways to make a torch module something else than its attributes say: by attributes, by hooks, and within a chain.

Every way changes a module in place, by random numbers. It raises InapplicableError where there is nothing to change,
such as a norm that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Way = Callable[[nn.Module, Random], None]


class InapplicableError(Exception):
    """A module has not what a way would change."""


def part_of(module: Any, random: Random) -> Any:
    """Choose a part of a module that has parameters; the module itself if none has."""
    return random.choice([part for part in module.modules() if part._parameters] or [module])


def parameter_of(module: Any, random: Random) -> tuple[Any, str]:
    """Choose a parameter: the part that holds it, and its name there."""
    held = [(part, name) for part in module.modules() for name, value in part._parameters.items() if value is not None]
    if not held:
        raise InapplicableError
    return random.choice(held)


def norm_of(module: nn.Module) -> Any:
    """Return the first norm in a module."""
    norm = next((part for part in module.modules() if isinstance(part, _BatchNorm)), None)
    if norm is None:
        raise InapplicableError
    return norm


def factor_of(random: Random) -> float:
    """Choose what is multiplied with, down to a difference of a millionth."""
    return random.choice((2.0, -1.0, 0.0, 1 + 1e-3, 1 + 1e-6))


def scaled(value: Any, factor: float) -> Any:
    """Multiply a tensor of numbers, or all such in a tuple."""
    if isinstance(value, (tuple, list)):
        return type(value)(scaled(entry, factor) for entry in value)
    return value * factor if isinstance(value, Tensor) and value.is_floating_point() else value


def give_class(module: nn.Module, **names: Any) -> None:
    """Give a module a subclass of its class, with more in it."""
    module.__class__ = type(type(module).__name__, (type(module),), names)


def _shadow(module: nn.Module, random: Random, *, trained: bool) -> None:
    """Lay a tensor beside a parameter, where Python finds it first."""
    part, name = parameter_of(module, random)
    part.__dict__[name] = (part._parameters[name].detach() * factor_of(random)).requires_grad_(trained)


def _function(module: nn.Module, random: Random, *, names: tuple[str, ...], at: str | None = None) -> None:
    """Replace a function of one instance, or what runs in place of one, by one with another result."""
    part = part_of(module, random)
    present = [name for name in names if hasattr(part, name)]
    if not present:
        raise InapplicableError
    name, factor = random.choice(present), factor_of(random)
    function = getattr(part, name)
    setattr(part, at or name, lambda *inputs, **options: scaled(function(*inputs, **options), factor))


def _pattern(module: Any, _random: Random) -> None:
    """Change the pattern that einops prints, and not the one that it computes."""
    if not hasattr(module, "pattern"):
        raise InapplicableError
    left, right = module.pattern.split("->")
    axes = right.split(" ")[1:]
    axes[0], axes[-1] = axes[-1], axes[0]
    module.pattern = f"{left}-> {' '.join(axes)}"


def _number(module: nn.Module, random: Random) -> None:
    """Change what torch reads when it is called; a description that follows is right."""
    part = part_of(module, random)
    present = [name for name in ("stride", "dilation", "padding", "eps", "momentum") if hasattr(part, name)]
    if not present:
        raise InapplicableError
    name = random.choice(present)
    setattr(part, name, _other(getattr(part, name), random))


def _any(module: nn.Module, random: Random) -> None:
    """Change one of all attributes that torch keeps, whether or not it reads them."""
    part = part_of(module, random)
    others = {name: _other(value, random) for name, value in vars(part).items() if name != "training"}
    present = sorted(name for name, other in others.items() if other is not None)
    if not present:
        raise InapplicableError
    name = random.choice(present)
    part.__dict__[name] = others[name]


def _other(value: Any, random: Random) -> Any:
    """Return another value of the same kind; None where there is none."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + random.choice((1, -1, value))
    if isinstance(value, (tuple, list)) and value and all(isinstance(entry, int) for entry in value):
        return type(value)(entry + random.choice((0, 1)) for entry in value)
    return {"zeros": "circular", "reflect": "replicate"}.get(value) if isinstance(value, str) else None


def _hook(module: nn.Module, random: Random, *, register: str) -> None:
    """Change what goes through a module, or a part of it, forwards or backwards."""
    factor = factor_of(random)

    def change(_module: nn.Module, *values: Any) -> Any:
        # A forward hook changes the output, all others what they get first.
        return scaled(values[-1 if register == "register_forward_hook" else 0], factor)

    getattr(random.choice((module, part_of(module, random))), register)(change)


def _gradient_hook(module: nn.Module, random: Random, *, clipping: bool) -> None:
    part, name = parameter_of(module, random)
    factor = factor_of(random)
    part._parameters[name].register_hook(lambda gradient: gradient.clamp(-1, 1) if clipping else gradient * factor)


def _accumulated(module: nn.Module, random: Random) -> None:
    part, name = parameter_of(module, random)
    factor = factor_of(random)

    def change(parameter: Any) -> None:
        parameter.grad *= factor

    part._parameters[name].register_post_accumulate_grad_hook(change)


def _node(module: nn.Module, random: Random) -> None:
    """Hang a hook on the node that accumulates a gradient, as libraries that average gradients do."""
    part, name = parameter_of(module, random)
    parameter, factor = part._parameters[name], factor_of(random)
    node = parameter.expand_as(parameter).grad_fn.next_functions[0][0]
    node.register_prehook(lambda gradients: scaled(gradients, factor))
    # The node lives as long as something holds it.
    part.__dict__["_node"] = node


def _chain(module: nn.Module) -> Any:
    if not isinstance(module, nn.Sequential):
        raise InapplicableError
    return module


def _none(module: nn.Module, _random: Random) -> None:
    _chain(module)._modules["none"] = None


def _dropout(module: nn.Module, random: Random) -> None:
    """Let a part that is left out of the description change what it hands on."""
    dropout, factor = nn.Dropout().eval(), factor_of(random)
    dropout.register_forward_hook(lambda _module, _inputs, output: output * factor)
    _chain(module).append(dropout)


def _order(module: nn.Module, random: Random) -> None:
    """Let a chain go through its parts in another order, or leave one out."""
    parts = random.choice((reversed(_chain(module)), list(_chain(module))[:1]))
    give_class(module, __iter__=lambda _: iter(list(parts)))


def _statistics(module: nn.Module, random: Random) -> None:
    """Hold statistics that no training gives; torch computes with them all the same."""
    norm = norm_of(module)
    name, value = random.choice(("running_mean", "running_var")), random.choice((0.0, 1e30, -0.1, torch.nan))
    norm._buffers[name][0] = value


WAYS: dict[str, Way] = {
    "attribute: a tensor beside the parameter": partial(_shadow, trained=False),
    "attribute: a trained tensor beside the parameter": partial(_shadow, trained=True),
    "attribute: a number that torch reads": _number,
    "attribute: any that torch keeps": _any,
    "attribute: forward": partial(_function, names=("forward",)),
    "attribute: a function that forward calls": partial(
        _function, names=("_conv_forward", "_output_padding", "_channels_last")
    ),
    "attribute: _compiled_call_impl": partial(_function, names=("_call_impl",), at="_compiled_call_impl"),
    "attribute: einops' pattern": _pattern,
    "attribute: statistics that no training gives": _statistics,
    "hook: forward": partial(_hook, register="register_forward_hook"),
    "hook: before forward": partial(_hook, register="register_forward_pre_hook"),
    "hook: backward": partial(_hook, register="register_full_backward_hook"),
    "hook: before backward": partial(_hook, register="register_full_backward_pre_hook"),
    "hook: on a parameter": partial(_gradient_hook, clipping=False),
    "hook: on a parameter, for large gradients": partial(_gradient_hook, clipping=True),
    "hook: after a gradient is accumulated": _accumulated,
    "hook: on the node of a gradient": _node,
    "chain: a part that is None": _none,
    "chain: a hook on a Dropout": _dropout,
    "chain: another order": _order,
}
