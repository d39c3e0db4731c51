"""Layers read backwards: from an output's shape to every input shape that gives it."""

from convcheck.calculator.inverse.axis_names import axis_names
from convcheck.calculator.inverse.chain import before, layers_of, through
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import ANY, Lengths, Ranges, TooManyError, holds, only
from convcheck.calculator.inverse.windowed import Box, CoupledError, NoInputError, rising

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
