"""Files that appear whole or not at all: written beside their place under another name, and renamed at the end."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from convcheck.checkpoints.stored import CheckpointError, quoted

PART = ".part"
"""The ending of what is not finished; a file that a kill left behind has it, and may be removed."""


class Staging:
    """Files on their way. Leaving the context removes all that was not committed, whatever ended it."""

    def __init__(self) -> None:
        self._parts: dict[Path, Path] = {}
        self._placed: list[Path] = []
        self._folder: Path | None = None

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for path in (*self._parts.values(), *self._placed):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if self._folder is not None:
            with suppress(OSError):
                # One that holds something stays.
                self._folder.rmdir()

    def make_folder(self, folder: Path) -> None:
        """Make a folder if it is not there; it goes again if nothing is committed."""
        with writing(folder):
            if not folder.is_dir():
                self._folder = folder
                folder.mkdir()

    @contextmanager
    def create(self, target: Path) -> Iterator[BinaryIO]:
        """Yield a new file that will be `target`, with the permissions of what it replaces; it is on disk in the end.

        Raises:
            CheckpointError: it cannot be written.
        """
        # A name of 255 bytes leaves no room for more.
        part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}{PART}")
        self._parts[target] = part
        with writing(target):
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target.is_file():
                part.chmod(stat.S_IMODE(target.stat().st_mode))

    def part(self, target: Path) -> Path:
        """Return where the bytes of a target are now."""
        return self._parts[target]

    def commit(self, *, overwrite: bool) -> None:
        """Rename all files in the order in which they were created; the last one is what makes them a checkpoint.

        Raises:
            CheckpointError: one cannot be renamed, or the last one is there meanwhile, and not to be replaced.
        """
        *others, last = self._parts
        with writing(last):
            for target in others:
                self._placed.append(target)
                self._parts[target].replace(target)
            sync_folder(last.parent)
            if not overwrite and (last.exists() or last.is_symlink()):
                raise CheckpointError(f"{quoted(str(last))} has been made by somebody else meanwhile; it is left alone")
            placed, self._placed = self._placed, []
            try:
                self._parts[last].replace(last)
            except OSError:
                self._placed = placed
                raise
            self._folder = None
            sync_folder(last.parent)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise a CheckpointError that names the target where the system refuses to write."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(f"{quoted(str(target))} cannot be written: {why}; nothing of it is left") from None


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
