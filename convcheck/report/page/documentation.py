"""Where the documentation lies, if the package says so."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

_LABEL = "documentation"


def page_of(rewrite: str) -> str | None:
    """Return the address of a rewrite's page; None where the package names no documentation on the web."""
    base = address()
    return f"{base.rstrip('/')}/rewrites/{rewrite}/" if base else None


@cache
def address() -> str | None:
    """Return where the documentation lies, by the metadata of the package that is installed."""
    try:
        urls = metadata("convcheck").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    pairs = (url.partition(",") for url in urls)
    named = (address.strip() for label, _, address in pairs if label.strip().lower() == _LABEL)
    return next((address for address in named if address.startswith(("https://", "http://"))), None)
