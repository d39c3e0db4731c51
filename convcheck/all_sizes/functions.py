"""Sees the functions of torch that code calls in a trace: that would branch, leave it, or ask for a dtype."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from convcheck.all_sizes import budget
from convcheck.tracing.asked_dtypes import ASKING
from convcheck.tracing.places import is_of_a_user

_COPYING = frozenset(
    (Tensor.reshape, torch.reshape, Tensor.flatten, torch.flatten, functional.linear, Tensor.matmul, torch.matmul)
    + (Tensor.__matmul__, torch.einsum, torch.bmm, Tensor.bmm, torch.tensordot)
)
"""Functions that give the same whether their arguments are laid out one way or another, and copy where they have to."""


_ALIASES = frozenset(("atleast_1d", "atleast_2d", "atleast_3d", "hsplit", "vsplit", "dsplit"))
"""Functions whose results share memory with their argument, which a trace does not show."""
_LEAVING = frozenset(("numpy", "__array__", "__dlpack__", "data_ptr"))
"""Functions that hand out memory, which means nothing in a trace."""
_SHARING = frozenset(
    ("reshape", "reshape_as", "flatten", "ravel", "contiguous")
    + ("to", "float", "double", "half", "bfloat16", "type", "type_as")
)
"""Functions whose results may share memory with their argument."""


class MayShare(Exception):  # noqa: N818  # it is an answer, not a fault
    """Code writes to a tensor that shares memory with another at some sizes, or in some dtypes, and not at others."""


class MayBroadcast(Exception):  # noqa: N818  # it is an answer, not a fault
    """A function raises in a trace where torch would broadcast."""


class LeavesTorch(Exception):  # noqa: N818  # it is an answer, not a fault
    """Code takes numbers out of a tensor, which has none in a trace."""


class Functions(TorchFunctionMode):
    """Copies what goes into functions that would ask how it is laid out, and branch on it.

    What torch computes is the same; paths through its code would be many more. What may share memory with its argument,
    as after `reshape`, must not be written to.
    """

    def __init__(self) -> None:
        super().__init__()
        self._may_share: set[int] = set()
        self._memory: dict[int, tuple[Tensor, int]] = {}
        self._places: dict[int, str] = {}
        self.asks_dtype = False
        self.refused: Exception | None = None
        """Why the trace does not hold, which code may have caught."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        budget.check_time()
        try:
            return self._called(function, arguments, options or {})
        except (MayShare, MayBroadcast, LeavesTorch) as error:
            self.refused = error
            raise

    def _called(self, function: Any, arguments: Any, options: Mapping[str, Any]) -> Any:
        # An operator is called `mul_.Scalar`.
        name = getattr(function, "__name__", "").partition(".")[0]
        if function in ASKING:
            self.asks_dtype |= is_of_a_user(sys._getframe(2).f_code.co_filename)
        if name in _LEAVING:
            raise LeavesTorch("takes numbers out of a tensor")
        if name == "squeeze_":
            raise MayShare("squeeze_ takes an axis from a tensor in place, at some sizes")
        if _writes(function, name, arguments, options):
            self._check_written(name, arguments, options)
        try:
            result = self._run(function, arguments, options)
        except Exception:
            _check_none_is_broadcast([*arguments, *options.values()])
            raise
        first = next((one for one in (*arguments, *options.values()) if isinstance(one, Tensor)), None)
        if first is not None:
            self._keep(name, arguments, first, result)
        return result

    def _keep(self, name: str, arguments: Sequence[Any], first: Tensor, result: Any) -> None:
        """Keep which memory a result has, and whether it may be that of the first tensor that goes in."""
        several = result if isinstance(result, (tuple, list)) else [result]
        results = [one for one in several if isinstance(one, Tensor)]
        if name in _SHARING:
            # Where they share, a write to one is seen in the other.
            self._may_share |= {self._memory_of(one) for one in (first, *results)}
        elif name in _ALIASES:
            self._memory |= {id(one): (one, self._memory_of(first)) for one in results}
        if name == "__getitem__" and isinstance(result, Tensor):
            self._places[id(result)] = f"{id(first)} {arguments[1]!r}"

    def _check_written(self, name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Check that a function may write where it writes, and reads no other part of it. Raises MayShare."""
        tensors = [one for one in (*arguments, *options.values()) if isinstance(one, Tensor)]
        out = options.get("out")
        targets = [one for one in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(one, Tensor)]
        targets = targets or tensors[:1]
        if any(self._memory_of(one) in self._may_share for one in targets):
            raise MayShare(f"{name} writes to what may share memory with another tensor, or be a copy")
        for target in targets:
            for one in tensors:
                # `x[i] += 1` puts what it took of x there again.
                place = f"{id(target)} {arguments[1]!r}" if name == "__setitem__" else None
                same = one is target or (place is not None and self._places.get(id(one)) == place)
                if not same and self._memory_of(one) == self._memory_of(target):
                    raise MayShare(f"{name} writes to a tensor of which it reads a part")

    def _memory_of(self, tensor: Tensor) -> int:
        """Return what tells the memory of a tensor from that of others, and keep it from being used again."""
        if id(tensor) not in self._memory:
            self._memory[id(tensor)] = tensor, tensor.untyped_storage()._cdata
        return self._memory[id(tensor)][1]

    def _run(self, function: Any, arguments: Any, options: Mapping[str, Any]) -> Any:
        if function in _COPYING:
            arguments = tree_map_only(Tensor, lambda one: one.clone(memory_format=torch.contiguous_format), arguments)
        if getattr(function, "__name__", "") == "squeeze":
            return _squeezed(*arguments, **options)
        if function is functional.linear:
            return _linear(*arguments, **options)
        if function is functional.pad and (padded := _circular(*arguments, **options)) is not None:
            return padded
        return function(*arguments, **options)


def _check_none_is_broadcast(arguments: Sequence[Any]) -> None:
    """Check that no length is 1 where a function raises in a trace, and have the trace know that none is.

    Raises MayBroadcast: one is, which torch would take as often as it needs, and a trace does not.
    """
    lengths = [length for one in arguments if isinstance(one, Tensor) for length in one.shape]
    ones = [bool(length == 1) for length in lengths if not isinstance(length, int)]
    if any(ones):
        raise MayBroadcast("what has a length of 1 may be broadcast")


def _writes(function: Any, name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> bool:
    """Tell whether a function writes to its first argument."""
    in_place = name.endswith("_") and not name.endswith("__")
    by_operator = name == "__setitem__" or (
        name.startswith("__i") and name not in ("__index__", "__int__", "__invert__")
    )
    asked = options.get("inplace") is True or options.get("out") is not None
    functions = getattr(function, "__module__", "") == functional.__name__ and any(one is True for one in arguments)
    return in_place or by_operator or asked or functions


def _squeezed(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:  # as torch calls it
    """Return what `squeeze` does. Its own kernel does not ask whether a length is 1, and leaves the axis there."""
    axes = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    ones = {axis % input.dim() for axis in axes if bool(input.shape[axis] == 1)}
    for axis in sorted(ones, reverse=True):
        input = input.select(axis, 0)
    return input


def _circular(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor | None:
    """Return circular padding as a concatenation, which torch writes to views instead; None for all others."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if mode != "circular" or value is not None or input.dim() not in (len(pairs) + 1, len(pairs) + 2):
        return None
    if any(before < 0 or after < 0 for before, after in pairs):
        return None
    for number, (before, after) in enumerate(pairs):
        axis = input.dim() - 1 - number
        size = input.shape[axis]
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        first, last = input.narrow(axis, size - before, before), input.narrow(axis, 0, after)
        input = torch.cat([first, input, last], axis)
    return input


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # as torch calls it
    """Return what `linear` does. With a bias torch asks for the lengths of three axes as numbers."""
    product = functional.linear(input, weight)
    return product if bias is None else product + bias
