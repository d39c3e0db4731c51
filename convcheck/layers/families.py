"""Which class reads which kind of layer, and where it stands: only that of the kind that is named is imported.

The table repeats each class's KINDS for start-up's sake: to find a kind's class by asking all classes, all of them
would have to be imported. A test holds both equal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcheck.layers.base import Layer

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
    ("elementwise", "Elementwise", ("Identity", "Sigmoid", "Tanh", "Softsign", "LogSigmoid")),
    ("elementwise", "InPlace", ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid")),
    ("elementwise", "LeakyReLU", ("LeakyReLU",)),
    ("elementwise", "ELU", ("ELU", "CELU")),
    ("elementwise", "Hardtanh", ("Hardtanh",)),
    ("elementwise", "GELU", ("GELU",)),
    ("elementwise", "Softplus", ("Softplus",)),
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

HOMES = {"Pool": "pool", **{family: file for file, family, _ in _FAMILIES}}
"""The file of every class, below `convcheck.layers`; no kind is a Pool and nothing more."""

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


def load(family: str) -> type[Layer]:
    """Return a class by its name."""
    found: type[Layer] = getattr(import_module(f"convcheck.layers.kinds.{HOMES[family]}"), family)
    return found
