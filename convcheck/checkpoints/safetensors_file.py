"""The format of safetensors, tensor by tensor: 8 bytes with the length of a header, the header in JSON, and the data.

The library safetensors checks files that are read; writing in a stream is ours, since it takes all tensors at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from convcheck.checkpoints.stored import CHUNK, METADATA, Buffer, CheckpointError, Stored, StoredFile, quoted
from convcheck.errors import cut

_LENGTH = 8
"""Bytes of the header's length; the header is filled up to a multiple of as many."""

_ALIGNMENTS = {"64": 8, "32": 4, "16": 2}
"""Bytes at a multiple of which an entry begins, by the digits of its dtype: torch views no other place as one."""


def read_safetensors(path: Path, written: str) -> StoredFile:
    """Return a file's tensors and metadata from its header; `written` is what messages call it.

    Raises:
        CheckpointError: it is no whole safetensors file, or the library is not installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise CheckpointError("checkpoints are read by safetensors: pip install safetensors") from None
    try:
        # numpy is asked for in torch's place, which takes seconds to import; nothing but the header is looked at.
        with safe_open(path, framework="np"):
            header, start = _header(path)
    except SafetensorError as error:
        why = cut(" ".join(str(error).split()), 120)
        raise CheckpointError(f"{quoted(written)} is no whole safetensors file: {why}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{quoted(written)} has a header that cannot be read: {cut(str(error), 120)}") from None
    except OSError as error:
        raise CheckpointError(f"{quoted(written)} cannot be read: {error.strerror or error}") from None
    metadata = header.pop(METADATA, None)
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, end = entry["data_offsets"]
        chunks = partial(_chunks, path, written, start + first, end - first)
        tensors[name] = Stored(entry["dtype"], tuple(entry["shape"]), end - first, chunks)
    return StoredFile(path, tensors, metadata)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header of a file that the library has checked, and where its data starts."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        text = file.read(length).decode()
    header: dict[str, Any] = json.loads(text, object_pairs_hook=_once)
    return header, _LENGTH + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's pairs. Raises ValueError if a key stands twice, of which readers take one or the other."""
    by_name = dict(pairs)
    if len(by_name) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{quoted(twice)} stands there twice")
    return by_name


def _chunks(path: Path, written: str, start: int, size: int) -> Iterator[Buffer]:
    """Yield so many bytes of a file from `start` on. Raises CheckpointError if they are not there any more."""
    buffer = memoryview(bytearray(min(size, CHUNK)))
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            while size:
                count = file.readinto(buffer[: min(size, CHUNK)])
                if not count:
                    raise CheckpointError(f"{quoted(written)} has become shorter while it was read")
                size -= count
                yield buffer[:count]
    except OSError as error:
        raise CheckpointError(f"{quoted(written)} cannot be read: {error.strerror or error}") from None


def in_order(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """Return tensors in the order of their bytes: as given if all are aligned so, else the widest dtypes first."""
    place, aligned = 0, True
    for stored in tensors.values():
        aligned = aligned and place % _alignment(stored) == 0
        place += stored.size
    if aligned:
        return dict(tensors)
    return dict(sorted(tensors.items(), key=lambda item: -_alignment(item[1])))


def _alignment(stored: Stored) -> int:
    digits = "".join(letter for letter in stored.dtype.partition("_")[0] if letter.isdigit())
    return _ALIGNMENTS.get(digits, 1)


def header_bytes(tensors: Mapping[str, Stored], metadata: Mapping[str, str] | None) -> bytes:
    """Return what stands before the data of tensors, whose bytes follow in this order."""
    header: dict[str, object] = {} if metadata is None else {METADATA: dict(metadata)}
    place = 0
    for name, stored in tensors.items():
        header[name] = {
            "dtype": stored.dtype,
            "shape": list(stored.shape),
            "data_offsets": [place, place + stored.size],
        }
        place += stored.size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH)
    return len(text).to_bytes(_LENGTH, "little") + text
