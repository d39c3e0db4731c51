"""A side that is code of the user's own: loaded, and read as a layer."""

from __future__ import annotations

from convcheck.errors import ConvcheckError, LayerError
from convcheck.layers import Layer
from convcheck.layers.user_code import UserCode
from convcheck.sides.describe import describe
from convcheck.user_code.load import load


def layer_of(code: UserCode) -> Layer:
    """Return the layer that trusted code makes.

    Raises:
        ConvcheckError: it cannot be loaded, or is no layer that can be described by its attributes.
    """
    try:
        return describe(load(code))
    except LayerError as error:
        raise ConvcheckError(f"{code}: {error}") from None
