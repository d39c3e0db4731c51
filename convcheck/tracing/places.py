"""The line of a user's file at which something happens: of an operator in a graph, or of an exception."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import einops
import torch
from torch import fx

_FRAME = re.compile(r'File "(.+?)", line (\d+)')
"""A frame as Python writes it into a traceback, and torch into `node.meta["stack_trace"]`."""

_LIBRARIES = (
    *(f"{Path(str(package.__file__)).parent}/" for package in (torch, einops)),
    f"{Path(__file__).parent.parent}/",
    f"{Path(traceback.__file__).parent}/",
)


def place_of_node(node: fx.Node) -> str | None:
    """Return `model.py:12`, the innermost frame outside torch, einops and convcheck; None if there is none."""
    return _innermost(_FRAME.findall(node.meta.get("stack_trace") or ""))


def place_of_error(error: BaseException) -> str | None:
    """Return `model.py:12`, where the exception passed a user's file last; None if it passed none."""
    frames = traceback.extract_tb(error.__traceback__)
    return _innermost((frame.filename, str(frame.lineno)) for frame in frames)


def place_of_stack(text: str) -> str | None:
    """Return `model.py:12` for a stack as Python writes it; None if there is no frame of a user's in it."""
    return _innermost(_FRAME.findall(text))


def short_file(file: str) -> str:
    """Return a file as places are written."""
    return str(_short(Path(file)))


def _innermost(frames: Iterable[tuple[str, str]]) -> str | None:
    places = [f"{_short(Path(file))}:{line}" for file, line in frames if is_of_a_user(file)]
    return places[-1] if places else None


def is_of_a_user(file: str) -> bool:
    """Return whether a file is of no library that stands between a user and an operator."""
    # Code that a library has generated has names in angle brackets; packages may be installed below Python's own.
    if "/site-packages/" in file:
        return not file.startswith(_LIBRARIES[:-1])
    return not file.startswith(("<", *_LIBRARIES))


def _short(file: Path) -> Path:
    """Return the path from the current folder, or from a folder of modules; the bare name where it is in neither."""
    for folder in (Path.cwd(), *map(Path, sorted(filter(None, sys.path), key=len, reverse=True))):
        if file.is_relative_to(folder):
            return file.relative_to(folder)
    return Path(file.name)
