"""A layer as a program writes it: as text, as a mapping, or as a module of torch. Imports no torch of itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

from convcheck.layers import Layer, parse_layer
from convcheck.layers.user_code import parse_user_code, untrusted

if TYPE_CHECKING:
    from torch import nn

    from convcheck.config.case import CodeLoader

    LayerLike = str | Mapping[str, object] | nn.Module

WAY_IN_PYTHON = "by convcheck.verify with trust=True"
"""How a program says that code may be run."""


def is_module(layer: object) -> TypeGuard[nn.Module]:
    """Tell whether it is a module of torch."""
    # Whoever has a module has imported torch.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(layer, torch.nn.Module)


def read_layer(layer: LayerLike, load_code: CodeLoader | None = None) -> Layer:
    """Return the layer. Raises ConvcheckError if it cannot be read or described, or is code that is not trusted."""
    if not is_module(layer):
        code = parse_user_code(layer)
        return parse_layer(layer) if code is None else (load_code or untrusted(WAY_IN_PYTHON))(code)
    from convcheck.sides.describe import describe

    return describe(layer)
