"""Sees whether code asks for the dtype of a tensor, and is another program in one dtype than in float64."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.tracing.float64_copy import float64_by_default, widened
from convcheck.tracing.places import is_of_a_user, short_file

_PROPERTIES: Any = Tensor
ASKING = frozenset(
    (_PROPERTIES.dtype.__get__, _PROPERTIES.itemsize.__get__, _PROPERTIES.nbytes.__get__)
    + (Tensor.element_size, Tensor.type)
    + (Tensor.is_floating_point, Tensor.is_complex, torch.is_floating_point, torch.is_complex)
)
"""Functions that tell the dtype of a tensor, or something of it."""
CASTS = frozenset((torch.ops.aten._to_copy.default, torch.ops.prims.convert_element_type.default))


def place_of_other_program(module: nn.Module, wide: nn.Module, inputs: tuple[Tensor, ...]) -> str | None:
    """Return where code first asks for a dtype, if a module calls other operators than its copy in float64 does.

    None where it does not, or where a module does not run.
    """
    asked, operators, others = _Asked(), _Operators(), _Operators()
    own, doubled = tuple(tensor.clone() for tensor in inputs), tuple(widened(tensor.clone()) for tensor in inputs)
    try:
        # What torch chooses by itself is no matter of the code.
        with torch.no_grad(), torch.random.fork_rng(devices=[]), sdpa_kernel(SDPBackend.MATH):
            with asked, operators:
                module(*own)
            if asked.place is None:
                return None
            with float64_by_default(), others:
                wide(*doubled)
    except Exception:  # whatever the user's code raises
        return None
    return asked.place if operators.names != others.names else None


class _Asked(TorchFunctionMode):
    """Keeps where code of a user's first asks for a dtype."""

    place: str | None = None

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        frame = sys._getframe(1)
        if self.place is None and function in ASKING and is_of_a_user(frame.f_code.co_filename):
            self.place = f"{short_file(frame.f_code.co_filename)}:{frame.f_lineno}"
        return function(*arguments, **(options or {}))


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    """Keeps which operators are called, without casts."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        if function not in CASTS:
            self.names.append(str(function))
        return function(*arguments, **(options or {}))
