"""Follows tensors from layer to layer as a model runs.

Every function and operator of torch that takes a tensor is seen, whatever code calls it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.layers import Conv, Layer, Linear
from convcheck.models.cuts import Moved, cut_before, laid_behind
from convcheck.models.leaves import Leaf
from convcheck.models.moves import Moves
from convcheck.models.ways import Record
from convcheck.rewriting.preconditions import is_pointwise
from convcheck.sizes.patterns import Shape

_NEUTRAL = {
    Tensor.is_floating_point,
    *(getattr(Tensor, name).__get__ for name in ("dtype", "device", "layout", "is_cuda", "requires_grad")),
}
"""What a merge does not change of a tensor."""

_SIZES = {
    Tensor.size,
    Tensor.dim,
    Tensor.numel,
    Tensor.__len__,
    *(getattr(Tensor, name).__get__ for name in ("shape", "ndim")),
}


@dataclass(eq=False)
class Call:
    """One call of a layer. `given` is what it takes, where that is a single tensor that a layer made."""

    part: Leaf
    given: Made | None
    taken: Shape = ()
    result: Made | None = None
    cut: Moved | None = None
    """How what it takes was cut into patches, where the layer computes the same on each."""
    output: Record | None = None
    laid: Moved | None = None
    """How what it returns was laid back into whole patches, where nothing else takes it."""


@dataclass(eq=False)
class Made:
    """A tensor that a layer returned, and what took it: None stands for code outside of layers."""

    maker: Leaf
    tensor: weakref.ref[Tensor]
    shape: Shape
    users: set[Call | None] = field(default_factory=set)
    sized: bool = False
    """Whether code outside of layers asked for its size."""


class Flow:
    """Follows tensors from layer to layer while a model runs."""

    def __init__(self, parts: Sequence[Leaf]) -> None:
        self.parts = parts
        self.calls: dict[Leaf, list[Call]] = {part: [] for part in parts}
        self.read: set[Leaf] = set()
        """Layers of which code elsewhere takes the weights, that are called in train mode, or with other inputs."""
        self._made: dict[int, Made] = {}
        self._owners = {
            id(tensor): part for part in parts for tensor in (*part.module.parameters(), *part.module.buffers())
        }
        self._current: Call | None = None
        self._moves: Moves | None = None

    def made(self, tensor: object) -> Made | None:
        value = self._made.get(id(tensor))
        return value if value is not None and value.tensor() is tensor else None

    def use(self, function: Any, values: Iterable[Any]) -> None:
        """Note that a function takes these values."""
        if function in _NEUTRAL:
            return
        for tensor in _tensors(values):
            owner = self._owners.get(id(tensor))
            if owner is not None and (self._current is None or self._current.part is not owner):
                if function not in _SIZES:
                    self.read.add(owner)
            elif (value := self.made(tensor)) is not None:
                if function in _SIZES:
                    value.sized |= self._current is None
                else:
                    value.users.add(self._current)

    def watch(self) -> list[Any]:
        """Put hooks on the layers, which are to be removed behind the run."""

        def before(part: Leaf, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            plain = len(inputs) == 1 and isinstance(inputs[0], Tensor) and not keywords
            if not plain or part.module.training:
                self.read.add(part)
            call = self._current = Call(part, self.made(inputs[0]) if plain else None)
            self.calls[part].append(call)
            if plain:
                call.taken = tuple(inputs[0].shape)
                if self._moves is not None and sums_channels(part.layer):
                    call.cut = cut_before(self._moves, inputs[0], _features(part))

        def after(output: object) -> None:
            call, self._current = self._current, None
            if call is not None and isinstance(output, Tensor):
                call.result = self._made[id(output)] = Made(call.part, weakref.ref(output), tuple(output.shape))
                if self._moves is not None and sums_channels(call.part.layer):
                    call.output = self._moves.record(output)

        handles: list[Any] = []
        for part in self.parts:
            begin = partial(lambda part, _module, inputs, keywords: before(part, inputs, keywords), part)
            handles.append(part.module.register_forward_pre_hook(begin, with_kwargs=True))
            handles.append(part.module.register_forward_hook(lambda _module, _inputs, output: after(output)))
        return handles

    @contextmanager
    def follow(self, constants: Iterable[Tensor] = ()) -> Iterator[None]:
        """See what takes a tensor while a model runs, and what is moved where; an index may be made of `constants`."""
        self._moves = Moves(constants)
        with _Operators(self), _Functions(self):
            yield

    def note(self, function: Any, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        """Note what an operator made."""
        if self._moves is not None:
            self._moves.note(function, args, keywords, output)

    def look_behind(self) -> None:
        """See what was laid back of what layers returned, while all that a run left is still there."""
        calls = [call for calls in self.calls.values() for call in calls if call.output is not None]
        if any(call.output is not None and call.output.tensor() is not None for call in calls):
            gc.collect()
        for call in calls:
            if self._moves is not None and call.output is not None:
                call.laid = laid_behind(self._moves, call.output, _features(call.part))

    def pairs(self) -> list[tuple[Leaf, Leaf]]:
        """Return the layers of which the second is always called on what the first returns."""
        pairs = []
        for second, calls in self.calls.items():
            firsts = {call.given.maker for call in calls if call.given is not None}
            if len(firsts) != 1 or second in self.read:
                continue
            (first,) = firsts
            made = [call.result for call in self.calls[first]]
            if first not in self.read and first is not second and [call.given for call in calls] == made:
                pairs.append((first, second))
        return pairs


class _Functions(TorchFunctionMode):
    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        counted = bool(args) and isinstance(args[0], Tensor) and not args[0].is_inference()
        version = args[0]._version if counted else None
        output = func(*args, **(kwargs or {}))
        # What hands its input on as it is, as Dropout does in eval mode, is no use of it.
        if not counted or output is not args[0] or args[0]._version != version:
            self.flow.use(func, (args, kwargs))
        return output


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    def __init__(self, flow: Flow) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = flow

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.flow.use(func, (args, kwargs))
        output = func(*args, **(kwargs or {}))
        self.flow.note(func, args, kwargs or {}, output)
        return output


def _features(part: Leaf) -> int:
    return -1 if isinstance(part.layer, Linear) else 1


def sums_channels(layer: Layer | None) -> bool:
    """Tell whether a layer computes the same at every place from the channels there."""
    return isinstance(layer, Linear) or (isinstance(layer, Conv) and is_pointwise(layer) and set(layer.stride) == {1})


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
