"""A checkpoint: one file, or several with an index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from convcheck.checkpoints.index import ENDING as INDEX
from convcheck.checkpoints.index import Index, read_index
from convcheck.checkpoints.safetensors_file import read_safetensors
from convcheck.checkpoints.stored import CheckpointError, Stored, StoredFile, quoted
from convcheck.checkpoints.torch_file import read_torch
from convcheck.config.stored_tensors import ENDING
from convcheck.errors import did_you_mean

TORCH_ENDINGS = (".pt", ".pth", ".bin")

USUAL = ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin")
"""What stands in a folder, in the order in which it is looked for."""


@dataclass(frozen=True)
class Checkpoint:
    """The files of a checkpoint, in order; `index` is None for a single file."""

    path: Path
    written: str
    files: tuple[StoredFile, ...]
    index: Index | None = None

    @cached_property
    def tensors(self) -> Mapping[str, Stored]:
        """All tensors by name."""
        return {name: stored for file in self.files for name, stored in file.tensors.items()}

    def home(self, name: str) -> int:
        """Return the number of the file that has a tensor."""
        return next(number for number, file in enumerate(self.files) if name in file.tensors)


def open_checkpoint(written: str) -> Checkpoint:
    """Return the checkpoint of a path: a file, an index, or a folder with one; no tensor's bytes are read.

    Raises:
        CheckpointError: there is none, it is not whole, or it is of another format.
    """
    path = _found(Path(written), written)
    if not path.name.lower().endswith(INDEX):
        return Checkpoint(path, written, (_read(path, written),))
    index = read_index(path, written)
    files = []
    for name in sorted(set(index.files.values())):
        shard = path.parent / name
        if not shard.is_file():
            raise CheckpointError(f"{quoted(written)} names {quoted(name)}, and there is no such file beside it")
        files.append(_read(shard, str(shard)))
    _check(index, {file.path.name: file for file in files}, written)
    return Checkpoint(path, written, tuple(files), index)


def _found(path: Path, written: str) -> Path:
    """Return the file that a path names, the usual one where it is a folder."""
    try:
        if path.is_dir():
            usual = next((path / name for name in USUAL if (path / name).is_file()), None)
            if usual is None:
                raise CheckpointError(f"the folder {quoted(written)} holds none of {', '.join(USUAL)}; name the file")
            return usual
        if path.is_file():
            return path
        if path.is_symlink() and not path.exists():
            raise CheckpointError(f"{quoted(written)} is a link that leads nowhere, or to itself")
        if path.exists():
            raise CheckpointError(f"{quoted(written)} is no plain file")
        siblings = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{quoted(written)} cannot be read: {why}") from None
    near = [name for name in siblings if name.lower().endswith((ENDING, INDEX, *TORCH_ENDINGS))]
    hint = f"; {did_you_mean(path.name, near, most=8)}" if near else ""
    raise CheckpointError(f"there is no file {quoted(written)}{hint}")


def _read(path: Path, written: str) -> StoredFile:
    lowered = path.name.lower()
    if lowered.endswith(ENDING):
        return read_safetensors(path, written)
    if lowered.endswith(TORCH_ENDINGS):
        return read_torch(path, written)
    endings = f"{ENDING}, {INDEX}, {', '.join(TORCH_ENDINGS)}"
    raise CheckpointError(f"{quoted(written)} is no checkpoint by its name; it must end in one of {endings}")


def _check(index: Index, files: Mapping[str, StoredFile], written: str) -> None:
    """Raise CheckpointError where index and files do not say the same."""
    for name, file in index.files.items():
        if name not in files[file].tensors:
            raise CheckpointError(
                f"{quoted(written)} says that {quoted(name)} is in {quoted(file)}, and it is not there"
            )
    for file, stored in files.items():
        for name in stored.tensors:
            if index.files.get(name) != file:
                raise CheckpointError(
                    f"{quoted(file)} holds {quoted(name)}, of which {quoted(written)} does not say so"
                )


def total_size(tensors: Iterable[Stored]) -> int:
    """Return how many bytes tensors have."""
    return sum(stored.size for stored in tensors)
