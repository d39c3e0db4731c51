"""Real weights that a config names, as tensors of a safetensors file, and their faults. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from convcheck.config.case import WeightFile
from convcheck.config.nodes import Problem
from convcheck.config.stored_tensors import ENDING, FEW, StoredTensor, UnreadableError, read_header
from convcheck.errors import did_you_mean, shown
from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape

# Files of eight bits and less hold weights to be scaled by numbers that stand elsewhere.
_DTYPES = ("F64", "F32", "F16", "BF16")


def weight_file(written: Mapping[str, object], folder: FilePath) -> WeightFile:
    """Return the value of the key `weights`, in which `weight_problems` found nothing wrong."""
    keys = {name: str(key) for name, key in written.items() if name != "file"}
    return WeightFile(str(folder / str(written["file"])), str(written["file"]), keys)


def weight_problems(written: Mapping[str, object], folder: FilePath, layer: Layer | None) -> Iterator[Problem]:
    """Yield all that is wrong with the key `weights`; what needs the layer only where there is one.

    `folder` is the config's, which the file's path starts from. Paths of problems start with `weights`.
    """
    file, stored = written.get("file"), None
    names = {name: key for name, key in written.items() if name != "file"}
    if "file" not in written:
        yield ("weights",), f"the key 'file' is missing; it names a file that ends in {ENDING}"
    else:
        try:
            stored = read_header(file, folder)
        except UnreadableError as error:
            yield ("weights", "file"), str(error)
    if not names:
        like = f"{next(iter(_shapes(layer)), 'weight')}: KEY" if layer else "weight: KEY"
        yield ("weights",), f"no parameter is named; add one with its key in the file, such as {like}"
    for name, key in names.items():
        for message in _faults(name, key, str(file), stored, layer):
            yield ("weights", name), message


def _faults(
    name: str, key: object, file: str, stored: Mapping[str, StoredTensor] | None, layer: Layer | None
) -> Iterator[str]:
    """Yield what is wrong with one parameter and its key."""
    shapes = _shapes(layer) if layer else {}
    if layer and name not in shapes:
        yield f"{layer} has no such parameter; {did_you_mean(name, shapes)}"
    if not isinstance(key, str):
        yield f"{shown(key)} is no key; it must be a text, in quotes if it looks like a number"
    elif stored is not None and key not in stored:
        yield f"there is no {shown(key)} in {file}; {did_you_mean(key, stored, most=FEW)}"
    elif stored is not None:
        tensor = stored[key]
        if tensor.dtype not in _DTYPES:
            yield f"{shown(key)} in {file} is {tensor.dtype}; weights must be one of {', '.join(_DTYPES)}"
        if name in shapes and tensor.shape != shapes[name]:
            yield f"{name} of {layer} is {list(shapes[name])}, and {shown(key)} in {file} is {list(tensor.shape)}"


def _shapes(layer: Layer) -> dict[str, Shape]:
    statistics = {name: statistic.shape for name, statistic in layer.statistics().items()}
    return {**layer.parameters(), **statistics}
