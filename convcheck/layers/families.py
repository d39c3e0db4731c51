"""Where every kind of layer stands; only the file of the kind that is named is imported, for start-up's sake."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcheck.layers.base import Layer

ELEMENTWISE: Mapping[str, Mapping[str, bool | float]] = {
    "Identity": {},
    "Sigmoid": {},
    "Tanh": {},
    "Softsign": {},
    "LogSigmoid": {},
    "ReLU": {"inplace": False},
    "ReLU6": {"inplace": False},
    "SELU": {"inplace": False},
    "SiLU": {"inplace": False},
    "Mish": {"inplace": False},
    "Hardswish": {"inplace": False},
    "Hardsigmoid": {"inplace": False},
    "LeakyReLU": {"negative_slope": 0.01, "inplace": False},
    "Softplus": {"beta": 1.0, "threshold": 20.0},
}
"""Functions of every entry by itself, with torch's arguments, which are any number or flag, and their defaults."""

_FAMILIES = (
    ("conv", "Conv", ("Conv1d", "Conv2d", "Conv3d")),
    ("conv_transpose", "ConvTranspose", ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")),
    ("linear", "Linear", ("Linear",)),
    ("pixel_shuffle", "PixelShuffle", ("PixelShuffle",)),
    ("pixel_shuffle", "PixelUnshuffle", ("PixelUnshuffle",)),
    ("unfold", "Unfold", ("Unfold",)),
    ("unfold", "Fold", ("Fold",)),
    ("batchnorm", "BatchNorm", ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")),
    ("pool", "MaxPool", ("MaxPool1d", "MaxPool2d", "MaxPool3d")),
    ("pool", "AvgPool1d", ("AvgPool1d",)),
    ("pool", "AvgPool", ("AvgPool2d", "AvgPool3d")),
    ("flatten", "Flatten", ("Flatten",)),
    ("flatten", "Unflatten", ("Unflatten",)),
    ("rearrange", "Rearrange", ("rearrange",)),
    *(("elementwise", kind, (kind,)) for kind in ELEMENTWISE),
    ("elementwise", "ELU", ("ELU", "CELU")),
    ("elementwise", "Hardtanh", ("Hardtanh",)),
    ("elementwise", "GELU", ("GELU",)),
    (
        "elementwise",
        "Dropout",
        ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"),
    ),
    ("elementwise", "Softmax", ("Softmax", "LogSoftmax")),
    ("matmul", "MatMul", ("matmul", "bmm", "mm")),
    ("attention", "DotProductAttention", ("scaled_dot_product_attention",)),
    ("multihead", "MultiheadAttention", ("MultiheadAttention",)),
    ("patches", "Patchify", ("Patchify",)),
    ("patches", "Unpatchify", ("Unpatchify",)),
    ("sequential", "Sequential", ("Sequential",)),
)
"""The file, the class and its kinds."""

HOMES = {"Elementwise": "elementwise", "Pool": "pool", **{family: file for file, family, _ in _FAMILIES}}
"""The file of every class, below `convcheck.layers`; no kind is an Elementwise or a Pool and nothing more."""

_FAMILY = {kind: family for _, family, kinds in _FAMILIES for kind in kinds}


def kind_names() -> tuple[str, ...]:
    """Return the name of every kind of layer that can be read."""
    return tuple(_FAMILY)


def family_of(kind: str) -> type[Layer] | None:
    """Return the class of a kind of layer; None if there is no such kind."""
    return load(_FAMILY[kind]) if kind in _FAMILY else None


def families() -> tuple[type[Layer], ...]:
    """Return the class of every kind."""
    return tuple(map(load, dict.fromkeys(_FAMILY.values())))


@cache
def load(family: str) -> type[Layer]:
    """Return a class by its name."""
    loaded: type[Layer] = getattr(import_module(f"convcheck.layers.kinds.{HOMES[family]}"), family)
    return loaded
