"""Real weights that a config names: tensors of a safetensors file, and their faults. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

from convcheck.config.case import WeightFile
from convcheck.config.nodes import Problem
from convcheck.errors import ConvcheckError, cut, did_you_mean, shown
from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape

ENDING = ".safetensors"

# Files of eight bits and less hold weights to be scaled by numbers that stand elsewhere.
_DTYPES = ("F64", "F32", "F16", "BF16")

_FEW = 8
"""How many keys of a file are listed where none is near the one that was written."""


class UnreadableError(ConvcheckError):
    """A file whose tensors cannot be listed."""


@dataclass(frozen=True)
class StoredTensor:
    """The shape and dtype of one tensor of a file; `dtype` is spelt as in the file."""

    shape: Shape
    dtype: str


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
        yield f"there is no {shown(key)} in {file}; {did_you_mean(key, stored, most=_FEW)}"
    elif stored is not None:
        tensor = stored[key]
        if tensor.dtype not in _DTYPES:
            yield f"{shown(key)} in {file} is {tensor.dtype}; weights must be one of {', '.join(_DTYPES)}"
        if name in shapes and tensor.shape != shapes[name]:
            yield f"{name} of {layer} is {list(shapes[name])}, and {shown(key)} in {file} is {list(tensor.shape)}"


def _shapes(layer: Layer) -> dict[str, Shape]:
    statistics = {name: statistic.shape for name, statistic in layer.statistics().items()}
    return {**layer.parameters(), **statistics}


def read_header(file: object, folder: FilePath) -> Mapping[str, StoredTensor]:
    """Return what a file holds, by key. Raises UnreadableError with a sentence for the user."""
    if not isinstance(file, str) or not file:
        raise UnreadableError(f"{shown(file)} is no path; it must be a text, such as model{ENDING}")
    if not file.lower().endswith(ENDING):
        raise UnreadableError(
            f"{shown(file)} does not end in {ENDING}, and no other files are read; convert it, for example with "
            f"safetensors.torch.save_file(torch.load({shown(file)}), 'model{ENDING}')"
        )
    path = folder / file
    try:
        if path.is_dir():
            raise UnreadableError(f"{shown(file)} is a folder; it must be a file")
        if not path.is_file():
            raise UnreadableError(f"there is no file {shown(file)}, as seen from the config{_beside(path)}")
        with path.open("rb") as opened:
            # safetensors calls any file missing that it may not open; Python knows better.
            about = os.fstat(opened.fileno())
        return _listed(str(path), about.st_mtime_ns, about.st_size)
    except (OSError, ValueError) as error:
        # A path that no system takes, as with a NUL byte or of ten thousand letters, is a ValueError or an OSError.
        why = getattr(error, "strerror", None) or error
        raise UnreadableError(f"{shown(file)} cannot be read: {why}") from None


def _beside(path: FilePath) -> str:
    siblings = sorted(entry.name for entry in path.parent.glob(f"*{ENDING}")) if path.parent.is_dir() else []
    return f"; {did_you_mean(path.name, siblings, most=_FEW)}" if siblings else ""


@lru_cache(maxsize=16)
def _listed(path: str, _changed: int, _size: int) -> Mapping[str, StoredTensor]:
    """Read the header of a file, once for all cases of a matrix, as long as the file stays as it is."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise UnreadableError("files of weights are read by safetensors: pip install 'convcheck[weights]'") from None
    try:
        # numpy is asked for in torch's place: shapes and dtypes are the same, and torch takes seconds to import.
        with safe_open(path, framework="np") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  (no mapping)
            return {key: StoredTensor(tuple(part.get_shape()), str(part.get_dtype())) for key, part in slices.items()}
    except SafetensorError as error:
        why = cut(" ".join(str(error).split()), 120)
        raise UnreadableError(f"{shown(FilePath(path).name)} is no whole safetensors file: {why}") from None
