"""A side that is code of the user's own: loaded where it is trusted, and read as a layer. Torch is imported by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.errors import ConvcheckError, LayerError
from convcheck.layers.user_code import UserCode, untrusted

if TYPE_CHECKING:
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
    """Return the layer that trusted code makes.

    Raises:
        ConvcheckError: it cannot be loaded, or is no layer that can be described by its attributes.
    """
    from convcheck.sides.describe import describe
    from convcheck.sides.torch_modes import known_modes
    from convcheck.user_code.load import load

    try:
        with known_modes():
            return describe(load(code))
    except LayerError as error:
        raise ConvcheckError(f"{code}: {error}") from None
