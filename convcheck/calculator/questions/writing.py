"""Layers as source code that runs when it is pasted."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape

# torch prints words bare.
_BARE = re.compile(r"=(same|valid|zeros|reflect|replicate|circular)\b")


def pasted(layer: Layer, module: str = "nn") -> str:
    """Return a layer as torch prints it, with words in quotes and the module that it comes from, torch.nn as nn."""
    return f"{module}." + _BARE.sub(r"='\1'", str(layer))


def adjusted(layer: Layer, **sizes: Shape) -> Layer:
    """Return the layer with other values of those arguments that are adjustable, one for every spatial axis.

    One number is written where all are the same and one was given before.
    """
    values: dict[str, Any] = {}
    for name in layer.ADJUSTABLE:
        if name in sizes:
            short = isinstance(getattr(layer, name), int | None) and len(set(sizes[name])) == 1
            values[name] = sizes[name][0] if short else sizes[name]
    return replace(layer, **values)
