"""The index of a checkpoint in several files: which file has which tensor. What it says is not trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from convcheck.checkpoints.stored import CheckpointError, quoted
from convcheck.errors import cut

ENDING = ".index.json"

MOST_BYTES = 256 << 20
"""The index of the largest model there is has a few megabytes."""


@dataclass(frozen=True)
class Index:
    """An index as it is written: the file of every tensor, and all of its other keys."""

    files: Mapping[str, str]
    """The name of a file in the index's folder, by tensor."""
    document: Mapping[str, Any]

    def text(self, files: Mapping[str, str], total: int) -> str:
        """Return an index of the same other keys, with these files, whose tensors have so many bytes in all."""
        metadata = self.document.get("metadata")
        document = {**self.document, "weight_map": dict(files)}
        if isinstance(metadata, dict):
            document["metadata"] = {**metadata, **({"total_size": total} if "total_size" in metadata else {})}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_index(path: Path, written: str) -> Index:
    """Return an index.

    Raises:
        CheckpointError: it is none, or a file that it names is not in its own folder.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(f"{quoted(written)} has more than {MOST_BYTES >> 20} MiB; that is no index")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{quoted(written)} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{quoted(written)} is no JSON: {cut(str(error), 120)}") from None
    files = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(files, dict) or not files or not all(isinstance(file, str) for file in files.values()):
        raise CheckpointError(f"{quoted(written)} is no index: it needs a 'weight_map' from tensors to files")
    if outside := [file for file in dict.fromkeys(files.values()) if not _is_name(file)]:
        raise CheckpointError(
            f"{quoted(written)} names {quoted(outside[0])}, and files of a checkpoint stand beside their index; "
            "none is read from elsewhere"
        )
    return Index(files, document)


def _is_name(file: str) -> bool:
    """Tell whether a text is the name of a file in the same folder, on every system."""
    return (
        file not in ("", ".", "..")
        and "\0" not in file
        and all(path.name == str(path) and not path.anchor for path in (PurePosixPath(file), PureWindowsPath(file)))
    )
