"""A layer as numbers: what torch prints, read back, with its shapes, weights and costs. Imports no torch."""

from typing import TYPE_CHECKING

from convcheck.layers.base import Layer as Layer
from convcheck.layers.base import Roundings as Roundings
from convcheck.layers.base import Statistic as Statistic
from convcheck.layers.families import kind_names as kind_names
from convcheck.layers.shape_checks import accept as accept
from convcheck.layers.text.input_shapes import parse_shape as parse_shape
from convcheck.layers.text.input_shapes import parse_shapes as parse_shapes
from convcheck.layers.text.input_shapes import write_shapes as write_shapes
from convcheck.layers.text.parse import parse_layer as parse_layer

if TYPE_CHECKING:
    from convcheck.layers.kinds.attention import DotProductAttention as DotProductAttention
    from convcheck.layers.kinds.batchnorm import BatchNorm as BatchNorm
    from convcheck.layers.kinds.conv import Conv as Conv
    from convcheck.layers.kinds.conv_transpose import ConvTranspose as ConvTranspose
    from convcheck.layers.kinds.elementwise import Dropout as Dropout
    from convcheck.layers.kinds.elementwise import Elementwise as Elementwise
    from convcheck.layers.kinds.elementwise import Softmax as Softmax
    from convcheck.layers.kinds.flatten import Flatten as Flatten
    from convcheck.layers.kinds.flatten import Unflatten as Unflatten
    from convcheck.layers.kinds.linear import Linear as Linear
    from convcheck.layers.kinds.matmul import MatMul as MatMul
    from convcheck.layers.kinds.multihead import MultiheadAttention as MultiheadAttention
    from convcheck.layers.kinds.patches import Patchify as Patchify
    from convcheck.layers.kinds.patches import Unpatchify as Unpatchify
    from convcheck.layers.kinds.pixel_shuffle import PixelShuffle as PixelShuffle
    from convcheck.layers.kinds.pixel_shuffle import PixelUnshuffle as PixelUnshuffle
    from convcheck.layers.kinds.pool import AvgPool as AvgPool
    from convcheck.layers.kinds.pool import AvgPool1d as AvgPool1d
    from convcheck.layers.kinds.pool import MaxPool as MaxPool
    from convcheck.layers.kinds.pool import Pool as Pool
    from convcheck.layers.kinds.rearrange import Rearrange as Rearrange
    from convcheck.layers.kinds.sequential import Sequential as Sequential
    from convcheck.layers.kinds.unfold import Fold as Fold
    from convcheck.layers.kinds.unfold import Unfold as Unfold
else:
    # Hidden from type checkers, which would otherwise take any name for one that is here.
    from convcheck.layers.families import HOMES, load

    def __getattr__(name: str) -> object:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return load(name)
