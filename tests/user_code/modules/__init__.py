"""Modules as users write them, each a side of some test; a comment marks a line that a message has to name."""

from __future__ import annotations

from pathlib import Path

_TOP = Path(__file__).parents[3]


def place_of(file: str, mark: str) -> str:
    """Return `tests/.../file.py:12`, the one line that ends in `# MARK`, as from the project's folder."""
    (line,) = [n for n, text in enumerate(Path(file).read_text().splitlines(), 1) if text.endswith(f"# {mark}")]
    return f"{Path(file).relative_to(_TOP)}:{line}"
