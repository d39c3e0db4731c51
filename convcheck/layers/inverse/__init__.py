"""Layers read backwards: from an output's shape to every input shape that gives it."""

from convcheck.layers.inverse.chain import before, layers_of, through
from convcheck.layers.inverse.kinds import Box, CoupledError, NoInputError, rising
from convcheck.layers.inverse.monotone import Monotone
from convcheck.layers.inverse.names import axis_names
from convcheck.layers.inverse.ranges import ANY, Lengths, Ranges, TooManyError, holds, only

__all__ = [
    "ANY",
    "Box",
    "CoupledError",
    "Lengths",
    "Monotone",
    "NoInputError",
    "Ranges",
    "TooManyError",
    "axis_names",
    "before",
    "holds",
    "layers_of",
    "only",
    "rising",
    "through",
]
