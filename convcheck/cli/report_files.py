"""The files that `--report` asks for: checked before anything runs, and replaced as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from convcheck.config.config_files import ENDINGS
from convcheck.errors import UsageError, did_you_mean
from convcheck.report.formats import format_names, load_format

CERTIFICATE = "certificate"
"""What stands in place of a format for a folder that takes the certificates of proofs for all sizes."""

_BY_ENDING = {".xml": "junit", ".html": "html", ".htm": "html", ".json": "json", ".jsonl": "jsonl", ".md": "markdown"}
"""The format that a file's ending promises."""


@dataclass(frozen=True)
class ReportFile:
    """A file to write, or a folder of them: its format, where it goes, and how the command line named it."""

    format: str
    path: Path
    name: str

    @property
    def is_folder(self) -> bool:
        """Whether it takes a file for every proof."""
        return self.format == CERTIFICATE


def kinds() -> list[str]:
    """Return what may stand before the path."""
    return [*format_names(), CERTIFICATE]


def parse_files(words: Sequence[str], configs: Iterable[str | None]) -> tuple[ReportFile, ...]:
    """Read what `--report` asks for, and see that all of it can be written.

    Raises:
        UsageError: an unknown format, a library that is missing, or a file that cannot be written there or is one of
            the configs.
    """
    paths = [Path(config) for config in dict.fromkeys(configs) if config]
    files: list[ReportFile] = []
    for word in words:
        try:
            file = _parse_file(word, paths)
        except UsageError as error:
            raise UsageError(f"--report {word}: {error}") from None
        if any(file.path == other.path for other in files):
            raise UsageError(f"--report {word}: two reports would go to {file.name!r}; each needs a file of its own")
        files.append(file)
    for file in files:
        if not file.is_folder:
            load_format(file.format)
    return tuple(files)


def _parse_file(word: str, configs: Iterable[Path]) -> ReportFile:
    format, sign, name = word.partition("=")
    if not sign and (ending := Path(word).suffix.lower()):
        raise UsageError(f"a format is missing; write --report {_BY_ENDING.get(ending, 'FORMAT')}={word}")
    if format not in kinds():
        raise UsageError(f"unknown format {format!r}; {did_you_mean(format, kinds())}")
    if not sign or name in ("", "-"):
        raise UsageError("a file is missing; it is FORMAT=PATH, and standard output is for -f")
    try:
        path = _writable_folder(name) if format == CERTIFICATE else _writable_path(name, configs)
        return ReportFile(format, path, name)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name!r} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _writable_path(name: str, configs: Iterable[Path]) -> Path:
    """Return the path with links followed, so that what a link names is replaced, and not the link.

    A pipe or a device stays as it was named: its real path, such as that of a shell's `>(command)`, cannot be opened.

    Raises:
        UsageError: it is a config, one of those that are read or one by its name, or no place for a file.
        OSError: it cannot be written.
    """
    if Path(name).exists() and not Path(name).is_file() and not Path(name).is_dir():
        return Path(name)
    path = Path(name).resolve()
    for ending in (name, path.name):
        if ending.lower().endswith(ENDINGS):
            leads = f" leads to {ending!r}, which" if ending is not name else ""
            raise UsageError(f"{name!r}{leads} ends like a config, and would be read as one; name it otherwise")
    if path.exists() and any(config.exists() and path.samefile(config) for config in configs):
        raise UsageError(f"{name!r} is a config that is read here, and would be lost; name another file")
    if path.exists() and _is_standard_output(path):
        raise UsageError(f"{name!r} is where standard output goes, and that is for -f; name another file")
    if path.is_dir():
        raise UsageError(f"{name!r} is a folder; name a file in it")
    _try_to_write_beside(path)
    return path


def _writable_folder(name: str) -> Path:
    """Return the path of a folder that is there or can be made. Raises as `_writable_path`."""
    path = Path(name).resolve()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{name!r} is a file, and certificates take a folder; name one")
    _try_to_write_beside(path / "a certificate" if path.exists() else path)
    return path


def _try_to_write_beside(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r}; make it first")
    # Permissions alone do not show it: a file system may be mounted read-only.
    beside = _path_beside(path)
    beside.touch(exist_ok=False)
    beside.unlink()


def _is_standard_output(path: Path) -> bool:
    """Return whether standard output is redirected to this file, as by `> file`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def write(file: ReportFile, text: str) -> None:
    """Write beside the path and rename, so that a reader sees the old file or the new one, never half of it.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        _replace(file.path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"the report {file.name!r} cannot be written: {error.strerror}") from None


def write_all(folder: ReportFile, texts: Mapping[str, str | None]) -> None:
    """Write files into a folder, each as a report is; remove what stands there from an earlier run and has no text now.

    Raises:
        UsageError: one cannot be written.
    """
    try:
        folder.path.mkdir(exist_ok=True)
        for name, text in texts.items():
            if text is None:
                (folder.path / name).unlink(missing_ok=True)
            else:
                _replace(folder.path / name, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"the certificates in {folder.name!r} cannot be written: {error.strerror}") from None


def _replace(path: Path, data: bytes) -> None:
    if path.exists() and not path.is_file():
        # As on standard output, a reader such as `head` may have closed the pipe.
        with suppress(BrokenPipeError):
            path.write_bytes(data)
        return
    beside = _path_beside(path)
    try:
        beside.write_bytes(data)
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _path_beside(path: Path) -> Path:
    return path.with_name(f".convcheck-{os.urandom(8).hex()}")
