"""A layer as numbers: what torch prints, read back, with its shapes, weights and costs. Imports no torch."""

from convcheck.layers.attention import DotProductAttention
from convcheck.layers.base import Layer, Roundings, Statistic, accept
from convcheck.layers.conv import Conv
from convcheck.layers.conv_transpose import ConvTranspose
from convcheck.layers.linear import Linear
from convcheck.layers.multihead import MultiheadAttention
from convcheck.layers.parse import kinds, parse_layer
from convcheck.layers.shapes import parse_shape, parse_shapes, write_shapes

__all__ = [
    "Conv",
    "ConvTranspose",
    "DotProductAttention",
    "Layer",
    "Linear",
    "MultiheadAttention",
    "Roundings",
    "Statistic",
    "accept",
    "kinds",
    "parse_layer",
    "parse_shape",
    "parse_shapes",
    "write_shapes",
]
