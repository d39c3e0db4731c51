"""The versions of convcheck and of torch, the latter without importing it."""

__version__ = "0.1.0"


def torch_version() -> str:
    """Return the version of the torch that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return "not installed"
