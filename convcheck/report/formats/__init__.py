"""One format of results a file: its name is the option's value, and its `render` writes a report.

Where results can be written one by one, `render_result` does, and they are printed as they come. A format for programs
has `render_faults`, too, for configs that cannot be read.

What a format imports beyond convcheck's dependencies is in an extra of the format's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from convcheck.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from convcheck.errors import Fault
    from convcheck.results import Report, Result

DEFAULT = "table"


def format_names() -> list[str]:
    """Return the names of all formats, the default first. Files are listed and not imported, since --help waits."""
    names = {file.stem for file in Path(__file__).parent.glob("*.py")} - {"__init__"}
    return sorted(names, key=lambda name: (name != DEFAULT, name))


def check_format(name: str) -> str:
    """Return the name of a format.

    Raises:
        UsageError: there is no such format.
    """
    if name not in format_names():
        raise UsageError(f"unknown format {name!r}; {did_you_mean(name, format_names())}")
    return name


def load_format(name: str) -> Callable[[Report], str]:
    """Return the function that writes a report in this format, without a line end.

    Raises:
        UsageError: a library that the format needs is not installed.
    """
    render: Callable[[Report], str] = _module(name).render
    return render


def load_result_format(name: str) -> Callable[[Result], str] | None:
    """Return the function that writes one result; None for a format that needs all of them. Raises as `load_format`."""
    return getattr(_module(name), "render_result", None)


def load_faults_format(name: str) -> Callable[[Sequence[Fault]], str] | None:
    """Return the function that writes faults of configs; None where people alone read them. Raises as `load_format`."""
    return getattr(_module(name), "render_faults", None)


def _module(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        needed = f"{name} needs {error.name}, which is not installed; pip install {error.name}"
        raise UsageError(needed) from None
