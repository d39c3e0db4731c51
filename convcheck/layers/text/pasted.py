"""A pasted block of print(model): its layers, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
            told = "is no Sequential, and what its forward does cannot be seen; paste one of its layers or Sequentials"
            raise LayerError([(None, f"{self.containers[0]} {told}")])
        return self.layers[0] if len(self.layers) == 1 else Sequential(_CHAIN, self.layers)


@dataclass
class _Found:
    layers: list[Layer] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    containers: dict[str, None] = field(default_factory=dict)
    faults: list[tuple[str | None, str]] = field(default_factory=list)


def parse_pasted(text: str) -> Pasted:
    """Read what print(model) printed, or a part of it, or layers one a line.

    Modules that hold others are taken apart, Sequentials as well as unknown ones.

    Raises:
        LayerError: with every line that cannot be read as a layer.
    """
    found = _Found()
    for name, call in read_calls(text, kind_names()):
        _walk(name, call, found)
    if found.faults:
        raise LayerError(found.faults)
    if not found.layers:
        raise LayerError([(None, f"{shown(text.strip())} holds no layers")])
    return Pasted(tuple(found.layers), tuple(found.names), tuple(found.containers))


def _walk(path: str, call: Call, found: _Found) -> None:
    inner = list(_children(call.positional))
    if call.kind == _CHAIN or (inner and call.kind not in kind_names()):
        if call.kind != _CHAIN:
            found.containers[call.kind] = None
        for number, (name, child) in enumerate(inner):
            _walk(".".join(filter(None, (path, str(number) if name is None else name))), child, found)
        return
    where = f"{path}: " if path else ""
    if inner:
        told = f"{call.kind} is printed without the arguments that it was made with; write them, as in one's own code"
        found.faults.append((None, where + told))
        return
    try:
        layer = parse_layer(call)
    except LayerError as error:
        found.faults.append((None, f"{where}{error}"))
        return
    found.layers.append(layer)
    found.names.append(path)


def _children(values: Sequence[object]) -> Iterator[tuple[str | None, Call]]:
    for value in values:
        if isinstance(value, Call):
            yield None, value
        elif isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], Call):
            yield str(value[0]), value[1]
        elif isinstance(value, (list, tuple)):
            yield from _children(value)
