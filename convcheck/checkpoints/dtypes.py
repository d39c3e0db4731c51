"""Bytes of a checkpoint as tensors of torch, and back, and into another dtype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from convcheck.checkpoints.record import Loss
from convcheck.checkpoints.stored import CHUNK, Buffer, CheckpointError, Stored, quoted

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TORCH = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


@cache
def _dtypes() -> Mapping[str, torch.dtype]:
    """Return torch's dtypes by safetensors' names for them; older versions of torch have fewer."""
    import torch

    return {name: getattr(torch, torchs) for name, torchs in _TORCH.items() if hasattr(torch, torchs)}


def name_of(dtype: torch.dtype) -> str | None:
    """Return safetensors' name for a dtype; None if it has none."""
    return next((name for name, other in _dtypes().items() if other == dtype), None)


def to_tensor(name: str, stored: Stored) -> Tensor:
    """Return a stored tensor, in memory of its own.

    Raises:
        CheckpointError: torch does not have its dtype, or its bytes cannot be read.
    """
    import torch

    if stored.dtype not in _dtypes():
        raise CheckpointError(f"{quoted(name)} is {stored.dtype}, with which torch {torch.__version__} cannot compute")
    dtype = _dtypes()[stored.dtype]
    if not stored.size:
        return torch.empty(stored.shape, dtype=dtype)
    return torch.frombuffer(stored.read(), dtype=dtype).reshape(stored.shape)


def to_stored(tensor: Tensor) -> Stored:
    """Return a tensor as it is stored."""
    dtype = name_of(tensor.dtype)
    assert dtype is not None
    return Stored(dtype, tuple(tensor.shape), tensor.numel() * tensor.element_size(), partial(_chunks, tensor))


def _chunks(tensor: Tensor) -> Iterator[Buffer]:
    """Yield the bytes of a tensor, row by row."""
    import torch

    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    for place in range(0, flat.numel(), CHUNK):
        part = flat[place : place + CHUNK]
        # A tensor has no buffer itself, and numpy's shares memory with it.
        yield part.numpy().data


def converted(name: str, tensor: Tensor, dtype: torch.dtype) -> tuple[Tensor, Loss | None]:
    """Return a tensor in another dtype, with what is lost; None where it has it already, or holds no such numbers.

    Raises:
        CheckpointError: finite numbers become infinite.
    """
    import torch

    if tensor.dtype == dtype or not tensor.is_floating_point():
        return tensor, None
    after = tensor.to(dtype)
    wide, narrow = tensor.double(), after.double()
    if beyond := int((wide.isfinite() & ~narrow.isfinite()).sum()):
        largest = float(wide.abs().nan_to_num(0, 0, 0).max())
        raise CheckpointError(
            f"{quoted(name)} has {beyond:,} numbers that {str(dtype).removeprefix('torch.')} cannot hold, up to "
            f"{largest:.3g}; its largest is {torch.finfo(dtype).max:.3g}"
        )
    error = (wide - narrow).abs().nan_to_num(0)
    changed, zeroed = error > 0, (narrow == 0) & (wide != 0)
    kept = changed & ~zeroed
    relative = (error[kept] / wide[kept].abs()).max() if bool(kept.any()) else torch.zeros(())
    return after, Loss(
        before=str(tensor.dtype).removeprefix("torch."),
        after=str(dtype).removeprefix("torch."),
        entries=tensor.numel(),
        changed=int(changed.sum()),
        zeroed=int(zeroed.sum()),
        max_abs=float(error.max()) if error.numel() else 0.0,
        max_rel=float(relative),
    )
