"""Tensors as a checkpoint stores them: a dtype, a shape and bytes, which are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from convcheck.errors import ConvcheckError, shown
from convcheck.sizes.patterns import Shape

CHUNK = 1 << 20
"""Bytes that are read at once: as many as a core's cache holds, beyond which copying takes several times as long."""

METADATA = "__metadata__"
"""What no tensor can be called in a safetensors file."""

Buffer = bytes | memoryview


def quoted(name: str) -> str:
    """Return a path or a key as messages show it: whole where it is not endless, since its end tells most."""
    return shown(name, 200)


class CheckpointError(ConvcheckError):
    """A checkpoint that cannot be read or written."""


@dataclass(frozen=True)
class Stored:
    """One tensor; `dtype` is spelt as in a safetensors file."""

    dtype: str
    shape: Shape
    size: int
    """In bytes."""
    chunks: Callable[[], Iterator[Buffer]]
    """Reads the bytes, in order; a chunk is valid until the next one is asked for."""

    def read(self) -> bytearray:
        """Return all bytes."""
        everything = bytearray()
        for chunk in self.chunks():
            everything += chunk
        return everything


@dataclass(frozen=True)
class StoredFile:
    """A file of a checkpoint: its tensors by name, in the order of their bytes, and its metadata."""

    path: Path
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str] | None = None
    nest: str | None = None
    """Under which name of a saved dict the tensors stand; None where they are all of it."""
    beside: tuple[str, ...] = ()
    """What else that dict holds, of which nothing is read."""
