"""Which operators a module runs on the way to its output, and whether numbers leave its tensors, as seen while it runs.

A module may do something else while it is traced than when it is called, and where that shows on few numbers alone, a
comparison of values does not show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_CHOOSING = (
    "relu relu6 leaky_relu prelu abs sign elu selu celu rrelu clamp clip clamp_min clamp_max hardtanh hardswish "
    "hardsigmoid hardshrink softshrink maximum minimum fmax fmin softplus threshold gt lt ge le eq ne where "
    "masked_fill index_put masked_scatter isnan isinf floor ceil round trunc frac fmod remainder max min amax "
    "amin argmax argmin"
)
CHOOSING = frozenset(_CHOOSING.split())
"""Operators that do one thing on some numbers and another on others."""

_CHECKING = frozenset([torch.nn.functional.one_hot])
"""Functions of torch's that take numbers out only to check them."""

_LEAVING = ("_local_scalar_dense", "is_nonzero", "equal")


class _Functions(TorchFunctionMode):
    """Knows whether one of torch's functions that check their numbers is running."""

    checking = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.checking += function in _CHECKING
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self.checking -= function in _CHECKING


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    """Records operators with the storages that they read and write; `leaves` tells whether data of `sources` left."""

    def __init__(self, sources: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: list[Tensor] = []
        self._calls: list[tuple[str, set[int], set[int]]] = []
        self._of_sources = set(self._storages(list(sources)))
        self.leaves = False
        self._functions = _Functions()

    def __enter__(self) -> Recorder:
        self._functions.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._functions.__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        name = function._schema.name.rpartition("::")[2].rstrip("_")
        read, written = set(self._storages((args, kwargs))), set(self._storages(made))
        self._calls.append((name, read, written))
        if read & self._of_sources:
            self._of_sources |= written
            self.leaves = self.leaves or (name in _LEAVING and not self._functions.checking)
        return made

    def choosing(self, output: Tensor) -> frozenset[str]:
        """Return the names of operators on the way to an output that do other things on other numbers."""
        needed, names = set(self._storages(output)), set()
        for name, read, written in reversed(self._calls):
            if written & needed:
                needed |= read
                names.add(name)
        return frozenset(names) & CHOOSING

    def _storages(self, tree: Any) -> Iterator[int]:
        for leaf in tree_leaves(tree):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
                # A storage that is gone could be met again as another one.
                self._alive.append(leaf)
                yield leaf.untyped_storage()._cdata
