"""A layer as numbers: what torch prints, read back, with its shapes, weights and costs. Imports no torch."""

from typing import TYPE_CHECKING

from convcheck.layers.base import Layer, Roundings, Statistic, accept
from convcheck.layers.families import kinds
from convcheck.layers.parse import parse_layer
from convcheck.layers.shapes import parse_shape, parse_shapes, write_shapes

if TYPE_CHECKING:
    from convcheck.layers.attention import DotProductAttention
    from convcheck.layers.batchnorm import BatchNorm
    from convcheck.layers.conv import Conv
    from convcheck.layers.conv_transpose import ConvTranspose
    from convcheck.layers.elementwise import Dropout, Elementwise, Softmax
    from convcheck.layers.flatten import Flatten, Unflatten
    from convcheck.layers.linear import Linear
    from convcheck.layers.matmul import MatMul
    from convcheck.layers.multihead import MultiheadAttention
    from convcheck.layers.patchify import Patchify, Unpatchify
    from convcheck.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle
    from convcheck.layers.pool import AvgPool, AvgPool1d, MaxPool, Pool
    from convcheck.layers.rearrange import Rearrange
    from convcheck.layers.sequential import Sequential
    from convcheck.layers.unfold import Fold, Unfold
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
    "kinds",
    "parse_layer",
    "parse_shape",
    "parse_shapes",
    "write_shapes",
]
