"""A config's text, from a file that may be anything: too large, no text, or no file at all."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from convcheck.errors import ConfigError, Fault
from convcheck.sizes.limits import MAX_FILE

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, written: str) -> str:
    """Return the text of a file, without a byte order mark; `written` is the file's name in messages.

    Raises:
        ConfigError: it is no regular file, cannot be opened, is too large, or is not UTF-8.
    """
    try:
        data = _bytes(path)
    except OSError as error:
        raise ConfigError([Fault(written, 1, 1, "", f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:
        raise ConfigError([Fault(written, 1, 1, "", str(error))]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        what = "UTF-16" if data.startswith(_UTF_16) else f"byte 0x{data[error.start]:02x} cannot be read"
        raise ConfigError([Fault(written, line, column, "", f"not UTF-8 text: {what}; save it as UTF-8")]) from None


def _bytes(path: Path) -> bytes:
    """Read a regular file. Raises OSError, or ValueError with a sentence if it is none, or too large."""
    # Without O_NONBLOCK, to open a pipe into which nobody writes would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"{_kind(about.st_mode)} is not read; a config is a plain file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # A file may grow, and those of /proc say that they are empty.
            data = file.read(MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE:
        size = max(len(data), about.st_size)
        raise ValueError(f"a config of {size} bytes; {MAX_FILE} at most are read, so split it up")
    return data


def _kind(mode: int) -> str:
    # A socket cannot be opened at all.
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
