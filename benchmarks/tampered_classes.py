"""Ways to make a torch module something else than its attributes say: by classes of its own, and by descriptors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmarks.tampering import Way, factor_of, give_class, norm_of, parameter_of, part_of, scaled

Read = Callable[[Tensor], Tensor]


class _Doubling(torch.autograd.Function):
    """Hands a tensor on, and doubles its gradient."""

    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return 2 * gradient


class _Noise(nn.Module):
    """A parametrization that draws anew whenever it is asked."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight + torch.randn_like(weight)


def _method(names: tuple[str, ...]) -> Way:
    """Override what runs when a module is called."""

    def change(module: nn.Module, random: Random) -> None:
        part, name, factor = part_of(module, random), random.choice(names), factor_of(random)
        base = getattr(type(part), name)
        give_class(part, **{name: lambda self, *inputs, **options: scaled(base(self, *inputs, **options), factor)})

    return change


def _read_as(choose: Callable[[Random], Read]) -> Way:
    """Compute a parameter by a property of the module's class."""

    def change(module: nn.Module, random: Random) -> None:
        part, name = parameter_of(module, random)
        read = choose(random)
        give_class(part, **{name: property(lambda self: read(self._parameters[name]))})

    return change


def _noise(random: Random) -> Read:
    size = random.choice((1.0, 1e-3))
    return lambda weight: weight + size * torch.randn_like(weight)


def _factor(random: Random) -> Read:
    factor = factor_of(random)
    return lambda weight: weight * factor


def _slope(_random: Random) -> Read:
    return lambda weight: _Doubling.apply(weight)  # type: ignore[no-untyped-call]


def _drift(_random: Random) -> Read:
    """Change the weight itself a little whenever it is read."""

    def read(weight: Tensor) -> Tensor:
        with torch.no_grad():
            return weight.mul_(1.01)

    return read


def _alternation(_random: Random) -> Read:
    reads = count()
    return lambda weight: weight * (1 + next(reads) % 2)


def _getattr(module: nn.Module, random: Random) -> None:
    part, name = parameter_of(module, random)
    factor, base = factor_of(random), nn.Module.__getattr__

    def find(self: Any, key: str) -> Any:
        value: Any = base(self, key)
        return value * factor if key == name else value

    give_class(part, __getattr__=find)


def _attribute(module: nn.Module, random: Random) -> None:
    """Tell another stride or padding after some reads."""
    part = part_of(module, random)
    name = random.choice([name for name in ("stride", "padding", "eps", "training") if hasattr(part, name)])
    value, reads, until = getattr(part, name), count(), random.choice((1, 2, 5))
    other = tuple(entry + 1 for entry in value) if isinstance(value, tuple) else value + 1
    give_class(part, **{name: property(lambda _: value if next(reads) < until else other, lambda _self, _value: None)})


def _training(module: nn.Module, _random: Random) -> None:
    """Stay in train mode whatever is asked for; that matters to a norm."""
    give_class(norm_of(module), training=property(lambda _: True, lambda _self, _value: None))


def _statistics(module: nn.Module, random: Random) -> None:
    """Tell other statistics after some reads."""
    name, factor, reads = random.choice(("running_mean", "running_var")), factor_of(random), count()
    give_class(
        norm_of(module), **{name: property(lambda self: self._buffers[name] * (factor if next(reads) > 5 else 1))}
    )


def _dictionary(module: nn.Module, random: Random) -> None:
    """Keep parameters, or statistics, in a dictionary that hands out others."""
    part, name = parameter_of(module, random)
    change = random.choice((_noise, _factor))(random)

    class Odd(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            value = super().__getitem__(key)
            return change(value) if key == name else value

    part.__dict__["_parameters"] = Odd(part._parameters)


def _tensor(module: nn.Module, random: Random) -> None:
    """Hold a weight of a class that computes in its own way."""
    part, name = parameter_of(module, random)
    factor = factor_of(random)

    class Odd(nn.Parameter):
        @classmethod
        def __torch_function__(cls, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            with torch._C.DisableTorchFunctionSubclass():
                made = function(*args, **(kwargs or {}))
            computed = isinstance(made, Tensor) and function.__name__.startswith(("conv", "linear", "batch_norm"))
            return made * factor if computed else made

    part._parameters[name] = Odd(part._parameters[name].detach())


def _parametrization(module: nn.Module, random: Random) -> None:
    parametrize.register_parametrization(*parameter_of(module, random), _Noise())


def _ways() -> Iterator[tuple[str, Way]]:
    yield "class: forward", _method(("forward",))
    yield "class: what is called", _method(("__call__", "_call_impl", "_wrapped_call_impl"))
    yield "class: __getattr__", _getattr
    yield "class: of the weight", _tensor
    yield "class: of the dictionary of parameters", _dictionary
    yield "class: a parametrization that is noise", _parametrization
    yield "descriptor: noise", _read_as(_noise)
    yield "descriptor: another weight", _read_as(_factor)
    yield "descriptor: another slope", _read_as(_slope)
    yield "descriptor: a weight that drifts", _read_as(_drift)
    yield "descriptor: a weight that alternates", _read_as(_alternation)
    yield "descriptor: an attribute that changes", _attribute
    yield "descriptor: always in train mode", _training
    yield "descriptor: statistics that change", _statistics


WAYS: dict[str, Way] = dict(_ways())
