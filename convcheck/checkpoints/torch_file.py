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

    It may be one of several things in a dict, as training scripts save it, beside an optimizer or an epoch's number.

    Raises:
        CheckpointError: it is no state dict of plain tensors, or holds what weights_only=True does not load; or there
            are several.
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
    nest = _nest(loaded, written)
    beside = () if nest is None else tuple(str(name) for name in loaded if name != nest)
    plain = _state_dict(loaded if nest is None else loaded[nest], written)
    tensors = {name: _stored(name, tensor, written) for name, tensor in plain.items()}
    return StoredFile(path, tensors, {"format": "pt"}, nest, beside)


def _nest(loaded: object, written: str) -> str | None:
    """Return the name under which the state dict stands; None where there is no other dict around it.

    A dict with tensors of its own is a state dict, whatever modules put beside them.
    """
    import torch

    if not isinstance(loaded, Mapping) or any(isinstance(value, torch.Tensor) for value in loaded.values()):
        return None
    nests = [name for name, value in loaded.items() if isinstance(name, str) and _has_tensors_alone(value)]
    if len(nests) > 1:
        listed = " and ".join(map(quoted, nests[:FEW]))
        raise CheckpointError(
            f"{quoted(written)} holds {len(nests)} state dicts, {listed}; save the one that is meant by itself, for "
            "example with safetensors.torch.save_file"
        )
    return nests[0] if nests else None


def _has_tensors_alone(value: object) -> bool:
    import torch

    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and isinstance(entry, torch.Tensor) for name, entry in value.items())


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
