"""A side that is code of the user's own: loaded, and read as a layer."""

from __future__ import annotations

from convcheck.layers import Layer
from convcheck.layers.user_code import UserCode
from convcheck.user_code.load import load
from convcheck.user_code.user_module import UserModule


def layer_of(code: UserCode) -> Layer:
    """Return the layer that trusted code makes. Raises ConvcheckError if it cannot be loaded."""
    module = load(code)
    return UserModule(type(module).__name__, module, str(code))
