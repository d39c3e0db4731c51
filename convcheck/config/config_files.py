"""Which files are configs, by their names. pytest's plugin imports this in every project, so it needs nothing else."""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".yaml", ".yml")

SCHEMA_FILE = "convcheck.schema.json"
"""Where editors are told to look for the JSON Schema of configs."""


def configs_in(folder: Path) -> list[Path]:
    """Return all configs below a folder, in order; hidden folders, such as a virtual environment's, are left out."""
    files = [file for ending in ENDINGS for file in folder.rglob(f"*{ending}") if _is_meant(file)]
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _is_meant(file: Path) -> bool:
    """Tell whether a file of a folder is to be read; a link that leads nowhere is, so that it is reported."""
    return file.is_file() or (file.is_symlink() and not file.exists())
