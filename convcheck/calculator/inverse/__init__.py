"""Layers read backwards: from an output's shape to every input shape that gives it."""

from convcheck.calculator.inverse.backwards import Box, CoupledError, NoInputError
from convcheck.calculator.inverse.chain import axis_names, before, layers_of, through
from convcheck.calculator.inverse.forms import merges
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import ANY, Lengths, Ranges, TooManyError, holds, only

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
    "merges",
    "only",
    "through",
]
