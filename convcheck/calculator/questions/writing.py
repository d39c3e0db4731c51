"""Layers as source code that runs when it is pasted."""

from __future__ import annotations

import re

from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape

# torch prints words bare.
_BARE = re.compile(r"=(same|valid|zeros|reflect|replicate|circular)\b")


def pasted(layer: Layer, module: str = "nn") -> str:
    """Return a layer as torch prints it, with words in quotes and the module that it comes from, torch.nn as nn."""
    return f"{module}." + _BARE.sub(r"='\1'", str(layer))


def as_given(values: Shape, like: object) -> int | Shape:
    """Return one number where all are the same and one was given before, else one for every axis."""
    return values if isinstance(like, tuple) or len(set(values)) > 1 else values[0]
