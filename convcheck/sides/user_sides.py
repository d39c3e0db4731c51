"""Sides of the user's own: code that is loaded where it is trusted, or a module of their program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.errors import ConvcheckError
from convcheck.layers.user_code import UserCode, untrusted

if TYPE_CHECKING:
    from torch import nn

    from convcheck.config.case import CodeLoader, MapLoader
    from convcheck.config.replacement import MapFunction
    from convcheck.layers import Layer


def code_loader(*, trust: bool, way: str) -> CodeLoader:
    """Return what makes a layer of code; without trust, what refuses all code, and says the `way` to give it."""
    # No text such as 'false' is a yes.
    return layer_of if trust is True else untrusted(way)


def map_loader(*, trust: bool, way: str) -> MapLoader:
    """Return what loads a function as a map; without trust, what refuses all code, and says the `way` to give it."""
    return map_of if trust is True else untrusted(way)


def map_of(code: UserCode) -> MapFunction:
    """Return a function of trusted code as a map. Raises ConvcheckError if it cannot be loaded."""
    from convcheck.config.replacement import MapFunction
    from convcheck.user_code.load import load_function

    return MapFunction(load_function(code), str(code))


def layer_of(code: UserCode) -> Layer:
    """Return the layer that trusted code makes. Raises ConvcheckError if it cannot be loaded."""
    from convcheck.sides.torch_modes import known_modes
    from convcheck.user_code.load import load
    from convcheck.user_code.user_module import UserModule

    with known_modes():
        module = load(code)
    return UserModule(type(module).__name__, module, str(code))


def layer_of_module(module: nn.Module) -> Layer:
    """Return any module as a layer that is known by being run; its text is that of the layer it seems to be."""
    from convcheck.sides.describe import describe
    from convcheck.user_code.user_module import UserModule

    name = type(module).__name__
    try:
        text = str(describe(module))
    except ConvcheckError:
        text = f"{name}(...)"
    return UserModule(name, module, text)
