"""A layer as numbers: what torch prints, read back, with its shapes, weights and costs. Imports no torch."""

from typing import TYPE_CHECKING

from convcheck.layers.base import Layer, Roundings, Statistic, accept
from convcheck.layers.families import kind_names
from convcheck.layers.text.input_shapes import parse_shape, parse_shapes, write_shapes
from convcheck.layers.text.parse import parse_layer

if TYPE_CHECKING:
    from convcheck.layers.kinds.attention import DotProductAttention
    from convcheck.layers.kinds.batchnorm import BatchNorm
    from convcheck.layers.kinds.conv import Conv
    from convcheck.layers.kinds.conv_transpose import ConvTranspose
    from convcheck.layers.kinds.elementwise import Dropout, Elementwise, Softmax
    from convcheck.layers.kinds.flatten import Flatten, Unflatten
    from convcheck.layers.kinds.linear import Linear
    from convcheck.layers.kinds.matmul import MatMul
    from convcheck.layers.kinds.multihead import MultiheadAttention
    from convcheck.layers.kinds.patches import Patchify, Unpatchify
    from convcheck.layers.kinds.pixel_shuffle import PixelShuffle, PixelUnshuffle
    from convcheck.layers.kinds.pool import AvgPool, AvgPool1d, MaxPool, Pool
    from convcheck.layers.kinds.rearrange import Rearrange
    from convcheck.layers.kinds.sequential import Sequential
    from convcheck.layers.kinds.unfold import Fold, Unfold
else:
    # Hidden from type checkers, which would otherwise take any name for one that is here.
    from convcheck.layers.families import HOMES, load

    def __getattr__(name: str) -> object:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return load(name)


__all__ = [
    "AvgPool",
    "AvgPool1d",
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "DotProductAttention",
    "Dropout",
    "Elementwise",
    "Flatten",
    "Fold",
    "Layer",
    "Linear",
    "MatMul",
    "MaxPool",
    "MultiheadAttention",
    "Patchify",
    "PixelShuffle",
    "PixelUnshuffle",
    "Pool",
    "Rearrange",
    "Roundings",
    "Sequential",
    "Softmax",
    "Statistic",
    "Unflatten",
    "Unfold",
    "Unpatchify",
    "accept",
    "kind_names",
    "parse_layer",
    "parse_shape",
    "parse_shapes",
    "write_shapes",
]
