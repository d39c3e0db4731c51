"""Checkpoints that torch saved, of which only tensors are unpickled: `weights_only=True`, whatever is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from convcheck.checkpoints.dtypes import name_of, to_stored
from convcheck.checkpoints.stored import CheckpointError, Stored, StoredFile, quoted
from convcheck.errors import cut

if TYPE_CHECKING:
    from torch import Tensor

FEW = 6
"""Names that a message lists."""


def read_torch(path: Path, written: str) -> StoredFile:
    """Return the tensors of a state dict that `torch.save` wrote, mapped into memory where that is possible.

    Raises:
        CheckpointError: it is no state dict of plain tensors, or holds what weights_only=True does not load.
    """
    import torch

    try:
        # Files of before torch 1.6 cannot be mapped, and are read.
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except UnpicklingError:
        raise CheckpointError(
            f"{quoted(written)} is broken, or holds other objects than tensors, and those are not loaded "
            "(weights_only=True): they could run anything"
        ) from None
    except Exception as error:
        # What is broken in such a file raises whatever its parts raise.
        why = cut(" ".join(str(error).split()), 160) or type(error).__name__
        raise CheckpointError(f"{quoted(written)} cannot be loaded with weights_only=True: {why}") from None
    tensors = {name: _stored(name, tensor, written) for name, tensor in _state_dict(loaded, written).items()}
    return StoredFile(path, tensors, {"format": "pt"})


def _state_dict(loaded: object, written: str) -> Mapping[str, Tensor]:
    """Return what was loaded, if it is a state dict of plain tensors."""
    import torch

    if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
        raise CheckpointError(
            f"{quoted(written)} holds a {type(loaded).__name__}, and no state dict of tensors by name"
        )
    if others := [name for name, value in loaded.items() if not isinstance(value, torch.Tensor)]:
        what = ", ".join(f"{quoted(name)} ({type(loaded[name]).__name__})" for name in others[:FEW])
        more = f" and {len(others) - FEW} more" if len(others) > FEW else ""
        raise CheckpointError(
            f"{quoted(written)} is no plain state dict: {what}{more}; save the state dict in it by itself, for example "
            "with safetensors.torch.save_file"
        )
    return loaded


def _stored(name: str, tensor: Tensor, written: str) -> Stored:
    import torch

    if name_of(tensor.dtype) is None or tensor.layout != torch.strided or tensor.is_quantized:
        what = f"{tensor.dtype}, laid out as {tensor.layout}"
        raise CheckpointError(f"{quoted(name)} in {quoted(written)} is {what}; a safetensors file has no place for it")
    return to_stored(tensor)
