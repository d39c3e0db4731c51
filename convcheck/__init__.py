"""Prove that a convolution and what replaces it compute the same. Importing this imports no torch."""

from convcheck.api import assert_equal, params, shape, verify
from convcheck.version import __version__

__all__ = ["__version__", "assert_equal", "params", "shape", "verify"]
