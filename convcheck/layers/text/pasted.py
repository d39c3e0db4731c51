"""A pasted block of print(model): its layers, in the order in which they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convcheck.errors import LayerError, shown
from convcheck.layers.base import Layer
from convcheck.layers.families import kind_names
from convcheck.layers.kinds.sequential import Sequential
from convcheck.layers.text.call import Call, read_calls
from convcheck.layers.text.chains import KNOWN_CHAINS, is_alike, is_whole, settled
from convcheck.layers.text.from_children import from_children
from convcheck.layers.text.parse import parse_layer
from convcheck.layers.text.submodules import in_a_row, submodules
from convcheck.layers.text.unread import Unread, is_unread

_CHAIN = "Sequential"

# A line of code in a class: `self.conv1 = nn.Conv2d(...)`.
_ASSIGNED = re.compile(r"(?m)^\s*self\.\w+\s*=")


@dataclass(frozen=True)
class Pasted:
    """What was pasted. A print shows which modules there are, and which kind holds them, but no `forward`."""

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    """The path of every layer, such as `features.0`; empty where it has none."""
    containers: tuple[str, ...]
    """The kinds that hold layers and are no Sequential, in order."""
    alike: tuple[str, ...] = ()
    """The kinds that print as a Sequential does, and are taken for one."""
    faults: tuple[str, ...] = ()
    """Why layers in it cannot be read; they stand in `layers` all the same."""
    is_code: bool = False
    """Whether layers are lines of code, as `self.conv1 = nn.Conv2d(...)`, or a file of them."""

    def notes(self) -> tuple[str, ...]:
        """Return what a print does not show of modules that hold others."""
        assumed = tuple(dict.fromkeys(filter(None, (layer.assumption() for layer in self.layers))))
        if self.alike:
            assumed = (f"{', '.join(self.alike)}: printed as a Sequential is, and taken for one", *assumed)
        if self.is_code:
            return (
                "lines of code are taken as a chain, in the order in which they stand; which of them forward calls, in "
                "which order, and what it does between them cannot be seen",
                *assumed,
            )
        if not self.containers:
            return assumed
        are = "are" if len(self.containers) > 1 else "is"
        return (
            f"{', '.join(self.containers)} {are} no Sequential: layers are taken in the order printed; branches, skip "
            "connections, what forward does between them, and parameters outside of them cannot be seen",
            *assumed,
        )

    @property
    def is_open(self) -> bool:
        """Whether the order of its layers is not all that can be known of how they are called."""
        return bool(self.containers or self.faults or self.is_code)

    def as_layer(self) -> Layer:
        """Return all of it as one layer, which only a layer or a Sequential is.

        Raises:
            LayerError: it is something else, with a forward that cannot be seen.
        """
        if self.containers or self.alike:
            raise LayerError(
                f"{(*self.containers, *self.alike)[0]} is no Sequential, and what its forward does cannot be seen; "
                "paste one of its layers or Sequentials"
            )
        return self.layers[0] if len(self.layers) == 1 else Sequential(_CHAIN, self.layers)


def parse_pasted(text: str, *, partly: bool = False) -> Pasted:
    """Read what print(model) printed, or a part of it, or layers one a line.

    Modules that hold others are taken apart, Sequentials as well as unknown ones.

    Read `partly`, a layer that cannot be read stands in its place, as an `Unread`.

    Raises:
        LayerError: with every line that cannot be read as a layer; partly, where no line can be read.
    """
    layers: list[Layer] = []
    names: list[str] = []
    containers: dict[str, None] = {}
    alike: dict[str, None] = {}
    faults: dict[str, list[str]] = {}
    modules = (module for name, call in read_calls(text, kind_names()) for module in _modules(name, call))
    for path, call, is_container in modules:
        if is_container:
            chained = is_alike(call, [name for name, _ in submodules(call.positional)])
            (alike if chained else containers)[call.kind] = None
            continue
        try:
            layers.append(_layer(call))
            names.append(path)
        except LayerError as error:
            faults.setdefault(str(error), []).append(path)
            layers.append(Unread(call.kind, str(error)))
            names.append(path)
    told = tuple(_fault(message, paths) for message, paths in faults.items())
    if told and (not partly or all(map(is_unread, layers))):
        raise LayerError([(None, fault) for fault in told])
    if not layers:
        raise LayerError(f"{shown(text.strip())} holds no layers")
    unknown = tuple(kind for kind in alike if kind not in (_CHAIN, *KNOWN_CHAINS))
    return Pasted(tuple(settled(layers)), tuple(names), tuple(containers), unknown, told, bool(_ASSIGNED.search(text)))


def _fault(message: str, paths: Sequence[str]) -> str:
    """Return what is wrong with some modules, which are many alike in most models."""
    first, more = paths[0], f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{first}{more}: {message}" if first or more else message


def _modules(path: str, call: Call) -> Iterator[tuple[str, Call, bool]]:
    """Yield a module and all in it, each with its path and whether it is taken apart."""
    try:
        row = in_a_row(call)
    except LayerError:
        # Told with all others that cannot be read.
        yield path, call, False
        return
    for own_name, module in row or ():
        yield from _modules(_joined(path, own_name), module)
    if row:
        return
    inner = list(submodules(call.positional))
    is_container = call.kind in (_CHAIN, "ModuleList", "ModuleDict") or (bool(inner) and not is_whole(call))
    yield path, call, is_container
    for number, (name, module) in enumerate(inner if is_container else ()):
        yield from _modules(_joined(path, str(number) if name is None else name), module)


def _joined(path: str, name: str) -> str:
    return ".".join(filter(None, (path, name)))


def _layer(call: Call) -> Layer:
    if (layer := from_children(call, dict(submodules(call.positional)))) is not None:
        return layer
    if in_a_row(call) is None and any(submodules(call.positional)):
        like = "is printed without the arguments that it was made with; write them, as in one's own code"
        raise LayerError(f"{call.kind} {like}")
    return parse_layer(call)
