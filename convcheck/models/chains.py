"""Chains of two layers that may be one: what the first returns goes into the second alone, in all of a run.

Tensors are followed as a model runs: every function and operator of torch that takes one is seen, whatever code calls
it, and what is still held when the model has returned, in its output or elsewhere, is no chain's.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.errors import ConvcheckError
from convcheck.layers import accept
from convcheck.models.example import Example, as_it_was, call
from convcheck.models.leaves import Leaf
from convcheck.sides.describe import describe
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
class _Call:
    """One call of a layer. `given` is what it takes, where that is a single tensor that a layer made."""

    part: Leaf
    given: _Made | None
    taken: Shape = ()
    result: _Made | None = None


@dataclass(eq=False)
class _Made:
    """A tensor that a layer returned, and what took it: None stands for code outside of layers."""

    maker: Leaf
    tensor: weakref.ref[Tensor]
    shape: Shape
    users: set[_Call | None] = field(default_factory=set)
    sized: bool = False
    """Whether code outside of layers asked for its size."""


class Flow:
    """Follows tensors from layer to layer while a model runs."""

    def __init__(self, parts: Sequence[Leaf]) -> None:
        self.parts = parts
        self.calls: dict[Leaf, list[_Call]] = {part: [] for part in parts}
        self.read: set[Leaf] = set()
        """Layers of which code elsewhere takes the weights, that are called in train mode, or with other inputs."""
        self._made: dict[int, _Made] = {}
        self._owners = {
            id(tensor): part for part in parts for tensor in (*part.module.parameters(), *part.module.buffers())
        }
        self._current: _Call | None = None

    def made(self, tensor: object) -> _Made | None:
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
            call = self._current = _Call(part, self.made(inputs[0]) if plain else None)
            self.calls[part].append(call)
            if plain:
                call.taken = tuple(inputs[0].shape)

        def after(output: object) -> None:
            call, self._current = self._current, None
            if call is not None and isinstance(output, Tensor):
                call.result = self._made[id(output)] = _Made(call.part, weakref.ref(output), tuple(output.shape))

        handles: list[Any] = []
        for part in self.parts:
            begin = partial(lambda part, _module, inputs, keywords: before(part, inputs, keywords), part)
            handles.append(part.module.register_forward_pre_hook(begin, with_kwargs=True))
            handles.append(part.module.register_forward_hook(lambda _module, _inputs, output: after(output)))
        return handles

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
        self.flow.use(func, (args, kwargs))
        return func(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    def __init__(self, flow: Flow) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = flow

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.flow.use(func, (args, kwargs))
        return func(*args, **(kwargs or {}))


def chains_of(model: nn.Module, example: Example, plain: Flow) -> tuple[list[Leaf], str | None]:
    """Return the chains of a model, and why none were looked for. `plain` watched it run.

    It is run once more, where layers are called in a row, and left as it is.
    """
    rows = {pair: len(plain.calls[pair[0]]) for pair in plain.pairs()}
    if not rows:
        return [], None
    flow = Flow(plain.parts)
    with as_it_was(model):
        handles = flow.watch()
        try:
            with _Operators(flow), _Functions(flow):
                output = call(model, example)
            pairs = [pair for pair in flow.pairs() if _is_alone(flow, pair[1])]
            if any(_is_held(flow, first) for first, _ in pairs):
                gc.collect()
            pairs = [pair for pair in pairs if not _is_held(flow, pair[0])]
            del output
        except ConvcheckError as error:
            return [], f"no chains were looked for, since the tensors of the model cannot be followed: {error}"
        finally:
            for handle in handles:
                handle.remove()
    # Where its tensors are followed, a model may take another way through its layers.
    pairs = [pair for pair in pairs if rows.get(pair) == len(flow.calls[pair[0]])]
    return [chain for pair in pairs if (chain := _chain(*pair, flow.calls[pair[0]])) is not None], None


def _is_alone(flow: Flow, second: Leaf) -> bool:
    """Tell whether nothing but a layer takes what it is given."""
    return all(call.given is not None and call.given.users == {call} for call in flow.calls[second]) and _same_size(
        flow.calls[second]
    )


def _is_held(flow: Flow, first: Leaf) -> bool:
    return any(call.result is not None and call.result.tensor() is not None for call in flow.calls[first])


def _same_size(calls: Sequence[_Call]) -> bool:
    """Tell whether code that asked for the size of what comes in between gets the same from the output."""
    return all(
        call.given is not None
        and call.result is not None
        and (not call.given.sized or call.given.shape == call.result.shape)
        for call in calls
    )


def _chain(first: Leaf, second: Leaf, calls: Sequence[_Call]) -> Leaf | None:
    """Return two layers as one, by the layer that they are in a row; None where that is no layer."""
    tensors = [t for part in (first, second) for t in (*part.module.parameters(), *part.module.buffers())]
    if len({(t.dtype, t.device) for t in tensors if t.is_floating_point()}) > 1:
        return None
    module = nn.Sequential(first.module, second.module)
    with suppress(ConvcheckError):
        layer = describe(module)
        chain = Leaf(first.path, module, str(layer), layer, merged=(second.path,))
        for call in calls:
            accept(layer, (call.taken,))
            chain.calls[call.taken,] += 1
        return chain
    return None


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
