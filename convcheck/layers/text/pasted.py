"""A pasted block of print(model): its layers, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convcheck.errors import LayerError, shown
from convcheck.layers.base import Layer
from convcheck.layers.families import kind_names
from convcheck.layers.kinds.sequential import Sequential
from convcheck.layers.text.call import Call, read_calls
from convcheck.layers.text.parse import parse_layer

_CHAIN = "Sequential"


@dataclass(frozen=True)
class Pasted:
    """What was pasted. A print shows which modules there are, and which kind holds them, but no `forward`."""

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    """The path of every layer, such as `features.0`; empty where it has none."""
    containers: tuple[str, ...]
    """The kinds that hold layers and are no Sequential, in order."""

    def as_layer(self) -> Layer:
        """Return all of it as one layer, which only a layer or a Sequential is.

        Raises:
            LayerError: it is something else, with a forward that cannot be seen.
        """
        if self.containers:
            raise LayerError(
                f"{self.containers[0]} is no Sequential, and what its forward does cannot be seen; "
                "paste one of its layers or Sequentials"
            )
        return self.layers[0] if len(self.layers) == 1 else Sequential(_CHAIN, self.layers)


def parse_pasted(text: str) -> Pasted:
    """Read what print(model) printed, or a part of it, or layers one a line.

    Modules that hold others are taken apart, Sequentials as well as unknown ones.

    Raises:
        LayerError: with every line that cannot be read as a layer.
    """
    layers: list[Layer] = []
    names: list[str] = []
    containers: dict[str, None] = {}
    faults: list[tuple[str | None, str]] = []
    modules = (module for name, call in read_calls(text, kind_names()) for module in _modules(name, call))
    for path, call, is_container in modules:
        if is_container:
            containers[call.kind] = None
            continue
        try:
            layers.append(_layer(call))
            names.append(path)
        except LayerError as error:
            faults.append((None, f"{path}: {error}" if path else str(error)))
    if faults:
        raise LayerError(faults)
    if not layers:
        raise LayerError(f"{shown(text.strip())} holds no layers")
    return Pasted(tuple(layers), tuple(names), tuple(kind for kind in containers if kind != _CHAIN))


def _modules(path: str, call: Call) -> Iterator[tuple[str, Call, bool]]:
    """Yield a module and all in it, each with its path and whether it is taken apart."""
    children = list(_children(call.positional))
    is_container = call.kind == _CHAIN or (bool(children) and call.kind not in kind_names())
    yield path, call, is_container
    for number, (name, child) in enumerate(children if is_container else ()):
        yield from _modules(".".join(filter(None, (path, str(number) if name is None else name))), child)


def _layer(call: Call) -> Layer:
    if any(_children(call.positional)):
        like = "is printed without the arguments that it was made with; write them, as in one's own code"
        raise LayerError(f"{call.kind} {like}")
    return parse_layer(call)


def _children(values: Sequence[object]) -> Iterator[tuple[str | None, Call]]:
    for value in values:
        if isinstance(value, Call):
            yield None, value
        elif isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], Call):
            yield str(value[0]), value[1]
        elif isinstance(value, (list, tuple)):
            yield from _children(value)
