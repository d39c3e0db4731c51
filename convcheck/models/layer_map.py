"""Which layers the tensors of a checkpoint are: a mapping from places, or patterns of places, to layers.

A value is the layer as torch prints it, or `{layer: text, input: shape}`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convcheck.checkpoints.checkpoint import Checkpoint
from convcheck.checkpoints.held import held_in
from convcheck.checkpoints.names import COUNTER, missing
from convcheck.checkpoints.plan import FLOATS
from convcheck.checkpoints.stored import quoted
from convcheck.config.case import WeightFile, WeightSource
from convcheck.config.file_text import read_text
from convcheck.config.nodes import Document, Problem, read, write_path
from convcheck.config.replacement import tensors_of
from convcheck.config.stored_tensors import ENDING
from convcheck.errors import ConfigError, ConvcheckError, Fault, UsageError, cut, shown
from convcheck.layers import Layer, accept, parse_layer, parse_shape
from convcheck.models.given_shapes import GivenShapes
from convcheck.models.leaves import Leaf
from convcheck.models.text_leaf import TextLeaf
from convcheck.proof.real_weights import ModuleTensors
from convcheck.sizes.patterns import Shape

_KEYS = ("layer", "input")


@dataclass(frozen=True)
class Entry:
    """A layer of a map, and the shape that it is given there; None if it is not."""

    layer: Layer
    shape: Shape | None


def read_layer_map(written: str) -> Mapping[str, Entry]:
    """Return the layers of a YAML or JSON file, by place or pattern.

    Raises:
        ConfigError: with every fault of the file, as a config's.
    """
    document = read(read_text(Path(written), written), written)
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    if not isinstance(document.value, dict) or not document.value:
        problems.append(((), "a layer map is a mapping from places to layers, such as stem.proj: Conv2d(3, 8, 4, 4)"))
    for place, value in document.value.items() if isinstance(document.value, dict) else ():
        try:
            entries[place] = _entry(value)
        except ConvcheckError as error:
            problems.append(((place,), str(error)))
    if faults := {*document.faults, *_located(problems, document, written)}:
        raise ConfigError(sorted(faults))
    return entries


def _entry(value: object) -> Entry:
    if not isinstance(value, dict):
        return Entry(parse_layer(value), None)
    if "op" in value:
        return Entry(parse_layer(value), None)
    if others := [key for key in value if key not in _KEYS]:
        raise ConvcheckError(f"unknown key {shown(others[0])}; known are layer and input")
    if "layer" not in value:
        raise ConvcheckError("the key 'layer' is missing")
    layer = parse_layer(value["layer"])
    shape = parse_shape(value["input"]) if value.get("input") is not None else None
    if shape is not None:
        accept(layer, (shape,))
    return Entry(layer, shape)


def _located(problems: Sequence[Problem], document: Document, written: str) -> Iterator[Fault]:
    for path, message in problems:
        if not document.unread(path):
            yield Fault(written, *document.place(path), write_path(path), message)


def leaves_of_file(checkpoint: Checkpoint, layers: Mapping[str, Entry], given: GivenShapes) -> list[Leaf]:
    """Return the layers of a checkpoint with its weights, which are read when they are verified.

    Raises:
        UsageError: tensors are missing or have other shapes, or a shape does not fit; with a line for each.
    """
    entries: dict[str, Entry] = {}
    for place, entry in layers.items():
        for path in _places(checkpoint, place, entry.layer):
            # A place that is named counts before those that match a pattern.
            if path not in layers or path == place:
                entries.setdefault(path, entry)
    if given.whole:
        if len(entries) != 1 or len(given.whole) > 1:
            raise UsageError("there are several layers or shapes; write -i PATH=SHAPE, where PATH may be a pattern")
        given = GivenShapes((*given.shapes, *((path, given.whole[0]) for path in entries)))
    leaves: list[Leaf] = []
    faults: list[str] = []
    for path, entry in entries.items():
        taken = given.of(path) or (() if entry.shape is None else (entry.shape,))
        wrong = list(_faults(checkpoint, path, entry.layer))
        faults += wrong
        if wrong:
            continue
        leaf = TextLeaf.of(path, entry.layer, _weights(checkpoint, path, entry.layer))
        leaves.append(leaf)
        for shape in taken:
            try:
                accept(entry.layer, (shape,))
                leaf.give(shape)
            except ConvcheckError as error:
                faults.append(f"-i {path}={','.join(map(str, shape))}: {entry.layer}: {error}")
        if not taken:
            leaf.skipped = "the shape of its input is not given; add -i PATH=SHAPE, or `input` in the map"
    if faults := [*given.unused(list(entries)), *faults]:
        raise UsageError("\n".join(faults))
    return leaves


def _places(checkpoint: Checkpoint, place: str, layer: Layer) -> list[str]:
    """Return the places of a checkpoint that a pattern means. Raises UsageError if it matches none."""
    if not any(letter in place for letter in "*?["):
        return [place]
    names = list(tensors_of(layer))
    if not names:
        raise UsageError(f"{place}: {layer} has no tensors by which places could be found; name each of them")
    first = f".{names[0]}"
    ends = (key.removesuffix(first) for key in checkpoint.tensors if key.endswith(first))
    places = [path for path in ends if fnmatch.fnmatchcase(path, place)]
    if not places:
        raise UsageError(f"{place}: nothing in {quoted(checkpoint.written)} matches it that has a {names[0]}")
    return places


def _faults(checkpoint: Checkpoint, path: str, layer: Layer) -> Iterator[str]:
    start = f"{path}." if path else ""
    wanted = tensors_of(layer)
    yield from missing({name: start + name for name in wanted}, checkpoint.tensors, checkpoint.written)
    for name, shape in wanted.items():
        stored = checkpoint.tensors.get(start + name)
        if stored is None:
            continue
        if stored.shape != shape:
            has = f"{quoted(start + name)} in {quoted(checkpoint.written)} is {list(stored.shape)}"
            yield f"{has}, and {name} of {layer} is {list(shape)}"
        elif stored.dtype not in FLOATS:
            what = f"{quoted(start + name)} in {quoted(checkpoint.written)} is {stored.dtype}"
            yield f"{what}; weights must be one of {', '.join(FLOATS)}"
    others = [
        key for key in checkpoint.tensors if start and key.startswith(start) and key.removeprefix(start) not in wanted
    ]
    if others := [key for key in others if key.rpartition(".")[2] != COUNTER]:
        yield f"{cut(', '.join(others), 200)} in {quoted(checkpoint.written)} is there, and {layer} has no such tensor"


def _weights(checkpoint: Checkpoint, path: str, layer: Layer) -> WeightFile | WeightSource | None:
    """Return where a layer's weights come from; None where it has none."""
    start = f"{path}." if path else ""
    keys = {name: start + name for name in tensors_of(layer)}
    homes = {checkpoint.home(key) for key in keys.values() if key in checkpoint.tensors}
    if not homes:
        return None
    file = checkpoint.files[min(homes)].path
    if len(homes) == 1 and file.name.lower().endswith(ENDING):
        return WeightFile(str(file), str(file), keys)

    held = held_in(checkpoint, keys)
    return ModuleTensors(held, (f"weights: {', '.join(keys.values())} of {checkpoint.written}",))


def dtype_of_file(checkpoint: Checkpoint, leaves: Sequence[Leaf]) -> str:
    """Return the dtype of the first weight of a layer."""
    for leaf in leaves:
        for name in tensors_of(leaf.layer) if leaf.layer is not None else ():
            key = f"{leaf.path}.{name}" if leaf.path else name
            return FLOATS[checkpoint.tensors[key].dtype]
    return "float32"
