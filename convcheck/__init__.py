"""Prove that a convolution and what replaces it compute the same. Importing this imports no torch."""

from typing import TYPE_CHECKING

from convcheck.version import __version__

if TYPE_CHECKING:
    from convcheck.api import assert_equal, inputs_for, params, save_weights, scan, shape, solve, swap, verify
    from convcheck.errors import ConvcheckError
    from convcheck.modules.patchify import Patchify, Unpatchify
else:
    # Hidden from type checkers, which would otherwise take any name for one of convcheck's.
    _HOMES = {
        **dict.fromkeys(
            ("assert_equal", "inputs_for", "params", "save_weights", "scan", "shape", "solve", "swap", "verify"),
            "convcheck.api",
        ),
        "ConvcheckError": "convcheck.errors",
        **dict.fromkeys(("Patchify", "Unpatchify"), "convcheck.modules.patchify"),
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "ConvcheckError",
    "Patchify",
    "Unpatchify",
    "__version__",
    "assert_equal",
    "inputs_for",
    "params",
    "save_weights",
    "scan",
    "shape",
    "solve",
    "swap",
    "verify",
]
