"""Where a checkpoint is written: the same files as the source has, under other names or in another folder."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convcheck.checkpoints.checkpoint import Checkpoint
from convcheck.checkpoints.index import ENDING as INDEX
from convcheck.checkpoints.index import read_index
from convcheck.checkpoints.stored import CheckpointError, quoted
from convcheck.config.stored_tensors import ENDING
from convcheck.errors import ConvcheckError

_SAFETENSORS_INDEX = f"{ENDING}{INDEX}"


@dataclass(frozen=True)
class Destination:
    """The files to write, as many as the source has; `path` is the checkpoint: the only file, or the index."""

    path: Path
    files: tuple[Path, ...]
    new_folder: bool
    replaced: tuple[Path, ...] = ()
    """Files of the checkpoint that is overwritten, which none of the new ones replaces."""


def destination(source: Checkpoint, written: str, *, overwrite: bool) -> Destination:
    """Return where a checkpoint goes that is made of `source`.

    The files of one with an index get names that nothing has yet, so that the old checkpoint is whole until the index
    is replaced.

    Raises:
        CheckpointError: there is one already, and it is not to be overwritten; or `written` cannot be one.
    """
    try:
        path = _named(source, Path(written), written)
        _check(source, path, overwrite=overwrite)
        new_folder = not path.parent.is_dir()
        if new_folder and (source.index is None or not path.parent.parent.is_dir()):
            raise CheckpointError(f"{quoted(written)}: there is no folder {quoted(str(path.parent))}")
        if source.index is None:
            return Destination(path, (path,), new_folder=False)
        replaced = _files(path) if path.is_file() else ()
    except (OSError, ValueError) as error:
        # A path that no system takes.
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{quoted(written)} cannot be written: {why}") from None
    names = _free(path.parent, [_safetensors(file.path.name) for file in source.files])
    return Destination(path, tuple(path.parent / name for name in names), new_folder, replaced)


def _named(source: Checkpoint, path: Path, written: str) -> Path:
    """Return the file that makes the checkpoint."""
    lowered = path.name.lower()
    is_index, is_file = lowered.endswith(_SAFETENSORS_INDEX), lowered.endswith(ENDING)
    as_folder = path.is_dir() or written.endswith(("/", os.sep))
    if source.index is None and not is_index and (as_folder or is_file):
        return path / _safetensors(source.path.name) if as_folder else path
    if source.index is not None and (as_folder or is_index or not path.suffix):
        return path if is_index and not as_folder else path / _safetensors(source.path.name)
    if source.index is None:
        raise CheckpointError(f"{quoted(written)} cannot be written; name a file that ends in {ENDING}, or a folder")
    raise CheckpointError(
        f"{quoted(source.written)} has {len(source.files)} files, so {quoted(written)} must be a folder, or an index, "
        f"which ends in {_SAFETENSORS_INDEX}"
    )


def _safetensors(name: str) -> str:
    """Return the name of a file of a checkpoint as one of safetensors, which is what is written."""
    stem, index = (name[: -len(INDEX)], INDEX) if name.lower().endswith(INDEX) else (name, "")
    if stem.lower().endswith(ENDING):
        return name
    stem = Path(stem).stem
    return (
        f"model{stem.removeprefix('pytorch_model')}{ENDING}{index}"
        if index or stem.startswith("pytorch_model")
        else f"{stem}{ENDING}"
    )


def _check(source: Checkpoint, path: Path, *, overwrite: bool) -> None:
    """Raise CheckpointError where a file must not be written."""
    if path.is_symlink():
        # In a cache of models the target is shared, by a name that is the hash of what is in it.
        raise CheckpointError(
            f"{quoted(str(path))} is a link to {quoted(str(path.readlink()))}; name that file, or remove the link: it "
            "cannot be told whether the link is to change, or what others read through it"
        )
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{quoted(str(path))} is no plain file, and is not replaced")
    if path.is_file() and not overwrite:
        what = "is the source itself" if path.samefile(source.path) else "is there already"
        raise CheckpointError(f"{quoted(str(path))} {what}; write to another place, or replace it with --overwrite")


def _files(index: Path) -> tuple[Path, ...]:
    """Return the files of an index that is to be replaced; none if it cannot be told which they are."""
    try:
        names = dict.fromkeys(read_index(index, str(index)).files.values())
    except ConvcheckError:
        return ()
    return tuple(file for name in names if (file := index.parent / name).is_file() and not file.is_symlink())


def _free(folder: Path, names: Sequence[str]) -> list[str]:
    """Return the names, numbered where something in the folder has one of them."""
    stems = [re.sub(r"\.\d+$", "", name.removesuffix(ENDING)) for name in names]
    number, free = 1, [f"{stem}{ENDING}" for stem in stems]
    while any(os.path.lexists(folder / name) for name in free):
        number += 1
        free = [f"{stem}.{number}{ENDING}" for stem in stems]
    return free
