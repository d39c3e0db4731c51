"""What was not as expected when it was last tried, kept in the user's cache folder: one small file a claim.

To make and to remove one file takes a single step, so shards that run at once do not get in each other's way. No run
fails because of it: a cache that cannot be read is empty, and one that cannot be written stays as it was.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from convcheck.catalogue.claims import Claim
from convcheck.layers import write_shapes

OWN_FOLDER = "CONVCHECK_CACHE_DIR"
"""The environment's variable that names another folder, such as one that CI keeps."""

DAYS_KEPT = 90
"""What was not tried for longer is forgotten."""


def folder(environment: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path:
    """Return where the platform wants programs to cache.

    Raises:
        RuntimeError: the user has no home.
    """
    if own := environment.get(OWN_FOLDER):
        return Path(own)
    if system == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "convcheck" / "Cache"
    if system == "darwin":
        return Path.home() / "Library" / "Caches" / "convcheck"
    # The XDG Base Directory Specification wants relative paths ignored.
    shared = Path(environment.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "convcheck"


def failed_first(claims: Sequence[Claim]) -> tuple[list[Claim], int]:
    """Return the claims with those first that were not as expected at their last run, and how many these are."""
    kept: set[str] = set()
    with suppress(OSError, RuntimeError):
        kept = _kept()
    again = [_name(claim) in kept for claim in claims]
    # Sorting keeps the order of what is alike.
    places = sorted(range(len(claims)), key=lambda place: not again[place])
    return [claims[place] for place in places], sum(again)


def remember(tried: Iterable[tuple[Claim, bool]]) -> bool:
    """Note of every claim that was tried whether it was as expected; return whether that could be written.

    Claims that were not tried stay as they were, until they are too old.
    """
    try:
        kept = _kept()
        for claim, ok in tried:
            name = _name(claim)
            if not ok:
                _note(claim)
            elif name in kept:
                _file(name).unlink(missing_ok=True)
            kept.discard(name)
        _forget_old(kept)
    except (OSError, RuntimeError):
        return False
    return True


def _kept() -> set[str]:
    try:
        return {file.name for file in _folder().iterdir()}
    except FileNotFoundError:
        return set()


def _note(claim: Claim) -> None:
    """Only whether there is a file is ever asked; what is in it is for people who wonder."""
    file = _file(_name(claim))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{_home(claim)}\n{claim.id}\n", encoding="utf-8", errors="backslashreplace")


def _forget_old(names: Iterable[str]) -> None:
    """Remove what nobody has tried for long, since its case or its config may be gone."""
    oldest = time.time() - DAYS_KEPT * 24 * 60 * 60
    for file in map(_file, names):
        # Another process may have removed it.
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _name(claim: Claim) -> str:
    """Return the name of a claim's file, which holds for the claim wherever its config is named from."""
    return hashlib.sha256(f"{_home(claim)}\0{claim.id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _home(claim: Claim) -> str:
    """Return what a claim's name belongs to: its config, or the layer of a command line."""
    case = claim.case
    if case.config is None:
        return f"{case.layer} {write_shapes(case.inputs)}"
    return str(Path(case.config).resolve()) if case.config else "the config that ships"


def _folder() -> Path:
    return folder() / "failed"


def _file(name: str) -> Path:
    return _folder() / name
