"""What was not as expected when it was last tried, kept in the user's cache folder: one small JSON file a config.

No run fails because of it: a cache that cannot be read is empty, and one that cannot be written stays as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from convcheck.claims import Claim
from convcheck.layers import write_shapes

OWN_FOLDER = "CONVCHECK_CACHE_DIR"
"""The environment's variable that names another folder, such as one that CI keeps."""


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
    homes = [_home(claim) for claim in claims]
    failed: dict[str, list[str]] = {}
    with suppress(RuntimeError):
        failed = {home: _read(_file(home)) for home in dict.fromkeys(homes)}
    again = [claim.id in failed.get(home, ()) for claim, home in zip(claims, homes, strict=True)]
    # Sorting keeps the order of what is alike.
    places = sorted(range(len(claims)), key=lambda place: not again[place])
    return [claims[place] for place in places], sum(again)


def remember(tried: Iterable[tuple[Claim, bool]]) -> bool:
    """Note of every claim that was tried whether it was as expected; return whether that could be written.

    Claims that were not tried stay as they were.
    """
    homes: dict[str, dict[str, bool]] = {}
    for claim, ok in tried:
        homes.setdefault(_home(claim), {})[claim.id] = ok
    try:
        for home, seen in homes.items():
            file = _file(home)
            before = _read(file)
            after = [name for name in before if name not in seen] + [name for name, ok in seen.items() if not ok]
            if sorted(after) != sorted(before):
                _write(file, {"target": home, "failed": after})
    except (OSError, RuntimeError):
        return False
    return True


def _home(claim: Claim) -> str:
    """Return what a claim's name belongs to: its config, or the layer of a command line."""
    case = claim.case
    if case.config is None:
        return f"{case.layer} {write_shapes(case.inputs)}"
    return str(Path(case.config).resolve()) if case.config else "the config that ships"


def _file(home: str) -> Path:
    name = hashlib.sha256(home.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return folder() / "failed" / f"{name}.json"


def _read(file: Path) -> list[str]:
    try:
        kept = json.loads(file.read_bytes())["failed"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return []
    return [name for name in kept if isinstance(name, str)] if isinstance(kept, list) else []


def _write(file: Path, value: Mapping[str, object]) -> None:
    """Write beside the file and rename, so that nobody ever reads half of it; remove it where nothing is to be kept."""
    if not value["failed"]:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(json.dumps(value, indent=1), encoding="ascii")
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
