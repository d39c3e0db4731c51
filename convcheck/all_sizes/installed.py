"""Whether this machine can prove anything for all sizes. Imports no torch."""

from __future__ import annotations

from convcheck.errors import UsageError


def check_installed() -> None:
    """Raise UsageError where the library of integer sets, on which such proofs rest, cannot be imported."""
    try:
        import islpy  # noqa: F401
    except ImportError:
        raise UsageError(
            "all sizes: islpy is not installed here; pip install islpy, of which there are wheels for Linux and macOS"
        ) from None
