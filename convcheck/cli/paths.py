"""Where a report goes: a file that is replaced as a whole, or a pipe or a device that is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from convcheck.config.config_files import ENDINGS
from convcheck.errors import UsageError


def writable(shown: str, configs: Iterable[Path]) -> Path:
    """Return the path with links followed, so that what a link names is replaced, and not the link.

    A pipe or a device stays as it was named: its real path, such as that of a shell's `>(command)`, cannot be opened.

    Raises:
        UsageError: it cannot be written, or is a config: one of those that are read, or one by its name.
    """
    try:
        named = Path(shown)
        if named.exists() and not named.is_file() and not named.is_dir():
            return named
        path = named.resolve()
        _check(path, shown, configs)
        # Rights alone do not tell: a file system may be mounted read-only.
        beside = _beside(path)
        beside.touch(exist_ok=False)
        beside.unlink()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{shown!r} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return path


def _check(path: Path, shown: str, configs: Iterable[Path]) -> None:
    for name in (shown, path.name):
        if name.lower().endswith(ENDINGS):
            leads = f" leads to {name!r}, which" if name is not shown else ""
            raise UsageError(f"{shown!r}{leads} ends like a config, and would be read as one; name it otherwise")
    if path.exists() and any(config.exists() and path.samefile(config) for config in configs):
        raise UsageError(f"{shown!r} is a config that is read here, and would be lost; name another file")
    if path.exists() and _is_standard_output(path):
        raise UsageError(f"{shown!r} is where standard output goes, and that is for -f; name another file")
    if path.is_dir():
        raise UsageError(f"{shown!r} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r}; make it first")


def _is_standard_output(path: Path) -> bool:
    """Whether to replace the file would take away what is printed: it goes there, as by `> file`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def write(path: Path, content: str) -> None:
    """Write beside the path and rename, so that a reader sees the old file or the new one, never half of it.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        # As on standard output, a reader such as `head` may have seen enough.
        with suppress(BrokenPipeError):
            path.write_bytes(data)
        return
    beside = _beside(path)
    try:
        beside.write_bytes(data)
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f".convcheck-{os.urandom(8).hex()}")
