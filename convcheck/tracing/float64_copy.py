"""A copy of a module that computes in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map


def float64_copy(module: nn.Module) -> nn.Module:
    """Return a deep copy of a module on the CPU with all floats in float64: also those of tensors in its attributes.

    Parameters on the meta device are drawn.

    Raises:
        ValueError: a buffer is on the meta device, and has no values.
    """
    for name, buffer in module.named_buffers():
        if buffer.is_meta:
            raise ValueError(f"the buffer {name} has no values")
    wide = copied(module)
    for inner in wide.modules():
        for name, parameter in inner._parameters.items():
            if parameter is not None and parameter.is_meta:
                values = torch.rand(parameter.shape, dtype=parameter.dtype)
                inner._parameters[name] = nn.Parameter(values, parameter.requires_grad)
    # A class may have methods of its own of these names.
    nn.Module.double(nn.Module.to(wide, "cpu"))
    for inner in wide.modules():
        for name, value in vars(inner).items():
            if isinstance(value, (Tensor, list, tuple)) or (isinstance(value, dict) and not name.startswith("_")):
                vars(inner)[name] = _mapped(value, widened)
    return wide


def copied(module: nn.Module) -> nn.Module:
    """Return a deep copy of a module, and of tensors in its attributes that it has computed, as a normed weight is."""
    made = [one for inner in module.modules() for one in vars(inner).values() if isinstance(one, Tensor)]
    # Python would refuse to copy them.
    return copy.deepcopy(module, {id(one): one.detach().clone() for one in made if not one.is_leaf})


def widened(tensor: Tensor) -> Tensor:
    """Return floats in float64 and complex numbers in complex128, on the CPU; others as they are."""
    if tensor.is_complex():
        return tensor.to("cpu", torch.complex128)
    return tensor.to("cpu", torch.float64) if tensor.is_floating_point() else tensor.to("cpu")


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a change to all tensors in lists, tuples and dicts. What holds none is returned itself."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (list, tuple) and any(isinstance(item, Tensor) for item in value):
        return type(value)(_mapped(item, change) for item in value)
    if type(value) is dict and any(isinstance(item, Tensor) for item in value.values()):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value


class CastsWidened(TorchFunctionMode):
    """Has code that asks for float32 get float64, so that what it casts meets weights of its own dtype."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        function = Tensor.double if function is Tensor.float else function
        arguments, options = tree_map(
            lambda one: torch.float64 if one is torch.float32 else one, (arguments, options or {})
        )
        return function(*arguments, **options)


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Have torch make new tensors in float64, and leave the default dtype and the random state as they were."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_default_dtype(default)
