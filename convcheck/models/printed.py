"""The layers of a printed model, and the shapes that they are called with, as far as a print tells them.

Through a Sequential shapes are worked out. What any other module does with its input is in its forward, which is not
printed: of what stands in it, or behind it, shapes are known where they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from convcheck.errors import LayerError, ShapeError, UsageError
from convcheck.layers import Layer, accept
from convcheck.layers import Sequential as Chain
from convcheck.layers.families import kind_names
from convcheck.layers.text.call import Call, read_calls
from convcheck.layers.text.parse import parse_layer
from convcheck.layers.text.submodules import in_a_row, submodules
from convcheck.models.chains import LONGEST
from convcheck.models.given_shapes import GivenShapes
from convcheck.models.leaves import Leaf
from convcheck.models.text_leaf import TextLeaf, has_rewrites
from convcheck.sizes.patterns import Shape

_WAY = "give its shape, -i PATH=SHAPE"

LEFT_OUT = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropPath", "Identity")
"""What hands its input on in eval mode, whatever is printed of it."""


@dataclass(frozen=True)
class _Unknown:
    """A shape that is not known, and why."""

    reason: str


_Known = Shape | _Unknown


def leaves_of_print(text: str, given: GivenShapes) -> list[Leaf]:
    """Return the layers of a print for which there are rewrites.

    Raises:
        ConvcheckError: it cannot be read, or a shape is given for what takes none, or does not fit.
    """
    read = list(read_calls(text, kind_names()))
    calls = [(name, call) for name, call in read if isinstance(call, Call)]
    if len(calls) < len(read):
        raise UsageError("a class of Python is not run, and its text tells no shapes; paste what print(model) prints")
    if len(given.whole) > 1:
        raise UsageError("a print takes one -i SHAPE, that of its input, and others as -i PATH=SHAPE")
    if not (given.whole or given.shapes):
        raise UsageError("a print tells no shapes; add -i SHAPE, that of its input, or -i PATH=SHAPE, that of a layer")
    walk = _Walk(given)
    start: _Known = given.whole[0] if given.whole else _Unknown(f"the shape of the model's input is not known; {_WAY}")
    if len(calls) == 1:
        walk.module(calls[0][0], calls[0][1], start)
    else:
        walk.chain("", [(name or str(number), call) for number, (name, call) in enumerate(calls)], start)
    if given.whole and len(calls) == 1 and _is_container(calls[0][1]):
        first = next((leaf.path for leaf in walk.leaves), "PATH")
        kind, shape = calls[0][1].kind, ",".join(map(str, given.whole[0]))
        why = f"{kind} is no Sequential, and which layer gets its input is not printed"
        raise UsageError(f"{why}; write, for example, -i {first}={shape}")
    if faults := [*given.unused(walk.paths), *walk.faults]:
        raise UsageError("\n".join(faults))
    return walk.leaves


class _Walk:
    """Goes through modules in the order printed, with the shape of what each is given."""

    def __init__(self, given: GivenShapes) -> None:
        self._given = given
        self.leaves: list[Leaf] = []
        self.paths: list[str] = []
        self.faults: list[str] = []
        self._depth = 0
        """How many Sequentials are around."""
        self._called_with: dict[str, tuple[Layer, list[Shape]]] = {}
        """By path the layers that are read, and the shapes that they are given."""

    def module(self, path: str, call: Call, shape: _Known) -> _Known:
        """Look at a module and all in it; return the shape of its output."""
        self.paths.append(path)
        inner = list(_children(call))
        if row := _row(call):
            return self.chain(path, row, shape)
        if _is_container(call):
            return self._container(path, call, inner)
        shapes = self._given.of(path) if path else ()
        known: Sequence[_Known] = shapes or (shape,)
        if call.kind == "Sequential":
            shape = known[0] if len(known) == 1 else _Unknown(_several(path))
            self._depth += 1
            made = self.chain(path, inner, shape)
            self._depth -= 1
            if not self._depth:
                self._merges([place for place, module in _in_order(path, call) if module.kind not in LEFT_OUT])
            return made
        outputs = self._layer(path, call, known)
        return outputs[0] if len(outputs) == 1 else _Unknown(_several(path))

    def chain(self, path: str, inner: Sequence[tuple[str, Call]], shape: _Known) -> _Known:
        """Look at modules that take one after the other what the one before makes."""
        for name, call in inner:
            shape = self.module(_joined(path, name), call, shape)
        return shape

    def _merges(self, row: Sequence[str]) -> None:
        """Look at layers of a Sequential that stand in a row: what the first makes goes into the second alone."""
        for number, first in enumerate(row):
            if first not in self._called_with:
                continue
            layer, shapes = self._called_with[first]
            layers: tuple[Layer, ...] = (layer,)
            made = [layer.output_shape(shape) for shape in shapes]
            for end, following in enumerate(row[number + 1 : number + LONGEST], start=number + 2):
                layer, taken = self._called_with.get(following, (layer, []))
                if made != taken:
                    break
                layers, made = (*layers, layer), [layer.output_shape(shape) for shape in taken]
                leaf = TextLeaf.of(first, Chain("Sequential", layers), merged=tuple(row[number + 1 : end]))
                for shape in shapes:
                    leaf.give(shape)
                self.leaves.append(leaf)

    def _container(self, path: str, call: Call, inner: Sequence[tuple[str, Call]]) -> _Known:
        kind = call.kind
        if path and self._given.names(path):
            self._given.used.add(path)
            self.faults.append(
                f"-i {path}=...: {kind} is no Sequential, and which of its layers gets this is not printed; name one"
            )
        inside = _Unknown(f"what {kind} gives its layers is not printed; {_WAY}")
        depth, self._depth = self._depth, 0
        for name, module in inner:
            self.module(_joined(path, name), module, inside)
        self._depth = depth
        return _Unknown(f"what {kind} makes of its input is not printed; {_WAY}")

    def _layer(self, path: str, call: Call, shapes: Sequence[_Known]) -> list[_Known]:
        """Look at a layer; return the shapes of its outputs."""
        if call.kind in LEFT_OUT:
            return list(shapes)
        unknown = _Unknown(f"what {call.kind} makes of its input is not known; {_WAY}")
        if call.kind not in kind_names():
            return [unknown]
        try:
            layer = _read(call)
        except LayerError as error:
            self.leaves.append(TextLeaf(path, nn.Identity(), f"{call.kind}(...)", None, f"cannot be read: {error}"))
            return [unknown]
        leaf = TextLeaf.of(path, layer)
        if has_rewrites(call.kind):
            self.leaves.append(leaf)
        return [self._called(leaf, layer, shape) for shape in shapes]

    def _called(self, leaf: TextLeaf, layer: Layer, shape: _Known) -> _Known:
        if isinstance(shape, _Unknown):
            leaf.skipped = shape.reason
            return shape
        if len(layer.example_inputs()) > 1:
            leaf.skipped = "takes several inputs, and a print tells of one at most"
            return _Unknown(f"what {layer.kind} makes of its inputs is not known; {_WAY}")
        try:
            output = accept(layer, (shape,))
        except ShapeError as error:
            if self._given.names(leaf.path):
                self.faults.append(f"-i {leaf.path}={','.join(map(str, shape))}: {layer}: {error}")
            leaf.skipped = f"would be given {list(shape)}: {error}"
            return _Unknown(f"what comes before it does not take its input; {_WAY}")
        leaf.give(shape)
        self._called_with.setdefault(leaf.path, (layer, []))[1].append(shape)
        return output


def _is_container(call: Call) -> bool:
    """Tell whether a module holds others, and what its forward does with them is not known."""
    is_layer = call.kind in kind_names() and not call.words
    return call.kind != "Sequential" and not is_layer and any(submodules(call.positional))


def _row(call: Call) -> list[tuple[str, Call]]:
    """Return the layers that a module with arguments and submodules amounts to; none where that is not known."""
    try:
        return in_a_row(call) or []
    except LayerError:
        return []


def _children(call: Call) -> Iterator[tuple[str, Call]]:
    """Yield the modules in a module, each with its name."""
    for number, (name, module) in enumerate(submodules(call.positional)):
        yield str(number) if name is None else name, module


def _in_order(path: str, call: Call) -> Iterator[tuple[str, Call]]:
    """Yield the modules of a Sequential, and of those in it, in the order in which they are called."""
    for name, module in _children(call):
        if module.kind == "Sequential":
            yield from _in_order(_joined(path, name), module)
        else:
            yield _joined(path, name), module


def _read(call: Call) -> Layer:
    """Return a layer. Raises LayerError if it cannot be read, as one that is printed without its arguments."""
    if any(submodules(call.positional)):
        raise LayerError(f"{call.kind} is printed without the arguments that it was made with")
    return parse_layer(call)


def _several(path: str) -> str:
    return f"{path} is given inputs of several shapes; {_WAY}"


def _joined(path: str, name: str) -> str:
    return ".".join(filter(None, (path, name)))
