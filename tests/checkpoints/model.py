"""A small checkpoint, in one file or several, and the words that move its patch embedding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

LAYER = "Conv2d(3, 16, kernel_size=4, stride=4)"

WORDS = ("--layer", LAYER, "-r", "patchify-linear", "--at", "net.patch")

INDEX = "model.safetensors.index.json"


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "net.patch.weight": torch.randn(16, 3, 4, 4, generator=generator),
        "net.patch.bias": torch.randn(16, generator=generator),
        "net.norm.weight": torch.randn(16, generator=generator),
        "net.head.weight": torch.randn(7, 16, generator=generator).bfloat16(),
        "net.ids": torch.arange(5),
    }


def single(path: Path) -> Path:
    save_file(tensors(), path, metadata={"format": "pt"})
    return path


def sharded(folder: Path, weight_map: Mapping[str, str] | None = None) -> Path:
    """Write two files and their index into a folder; another `weight_map` may stand in the index."""
    folder.mkdir(exist_ok=True)
    homes: dict[str, str] = {}
    for number, part in enumerate((list(tensors())[:2], list(tensors())[2:]), start=1):
        name = f"model-{number:05}-of-00002.safetensors"
        save_file({key: tensors()[key] for key in part}, folder / name, metadata={"format": "pt"})
        homes.update(dict.fromkeys(part, name))
    total = sum(tensor.nbytes for tensor in tensors().values())
    index = {"metadata": {"total_size": total, "by": "us"}, "weight_map": weight_map or homes}
    (folder / INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    return folder
