"""What a shell may complete: rewrites, configs and folders, and kinds of layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convcheck.config.checks import DTYPES
from convcheck.config.config_files import ENDINGS
from convcheck.report.formats import format_names


def rewrite_names(incomplete: str) -> list[str]:
    """Return the rewrites whose name begins so. Their files are only listed, since a shell waits for this."""
    import pkgutil

    from convcheck import rewrites

    names = sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(rewrites.__path__))
    return [name for name in names if name.startswith(incomplete)]


def dtypes(incomplete: str) -> list[str]:
    """Return the dtypes whose name begins so."""
    return [name for name in DTYPES if name.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Return the formats of results whose name begins so."""
    return [name for name in format_names() if name.startswith(incomplete)]


def commands_with_results(incomplete: str) -> list[str]:
    """Return the commands that print results, and whose name begins so."""
    from convcheck.report.results_schema import DOCUMENTS

    return [name for name in DOCUMENTS if name.startswith(incomplete)]


def report_files(incomplete: str) -> list[str]:
    """Return what `--report` begins with."""
    from convcheck.cli.report_files import kinds as report_kinds

    return [f"{name}=" for name in report_kinds() if name.startswith(incomplete)]


def targets(incomplete: str) -> list[str]:
    """Return the configs, folders and kinds of layers that begin so."""
    return [*_paths(incomplete), *kinds(incomplete)]


def subjects(incomplete: str) -> list[str]:
    """Return what `convcheck rewrites` takes: names of rewrites, and kinds of layers once one is begun."""
    return [*rewrite_names(incomplete), *kinds(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Return the kinds of layers that begin so, once one is begun."""
    from convcheck.layers.families import kind_names

    return [f"{kind}(" for kind in kind_names() if kind.startswith(incomplete) and incomplete]


def _paths(incomplete: str) -> Iterator[str]:
    folder, _, begun = incomplete.rpartition("/")
    above = f"{folder}/" if "/" in incomplete else ""
    try:
        entries = sorted(Path(above or ".").iterdir())
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(begun) or (entry.name.startswith(".") and not begun):
            continue
        if entry.is_dir():
            yield f"{above}{entry.name}/"
        elif entry.suffix in ENDINGS:
            yield f"{above}{entry.name}"
