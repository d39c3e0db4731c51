"""What a safetensors file holds, from its header alone. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

from convcheck.errors import ConvcheckError, cut, did_you_mean, shown
from convcheck.sizes.patterns import Shape

ENDING = ".safetensors"

FEW = 8
"""How many names are listed where none is near the one that was written."""


class UnreadableError(ConvcheckError):
    """A file whose tensors cannot be listed."""


@dataclass(frozen=True)
class StoredTensor:
    """The shape and dtype of one tensor of a file; `dtype` is spelt as in the file."""

    shape: Shape
    dtype: str


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
    return f"; {did_you_mean(path.name, siblings, most=FEW)}" if siblings else ""


@lru_cache(maxsize=16)
def _listed(path: str, _changed: int, _size: int) -> Mapping[str, StoredTensor]:
    """Read the header of a file, once for all cases of a matrix, as long as the file stays as it is."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise UnreadableError("files of weights are read by safetensors: pip install safetensors") from None
    try:
        # numpy is asked for in torch's place: shapes and dtypes are the same, and torch takes seconds to import.
        with safe_open(path, framework="np") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  (no mapping)
            return {key: StoredTensor(tuple(part.get_shape()), str(part.get_dtype())) for key, part in slices.items()}
    except SafetensorError as error:
        why = cut(" ".join(str(error).split()), 120)
        raise UnreadableError(f"{shown(FilePath(path).name)} is no whole safetensors file: {why}") from None
