"""The picture of a rewrite, from its name to a file."""

from __future__ import annotations

from pathlib import Path


def draw_rewrite(name: str, path: Path | str) -> None:
    """Draw where the rewrite of this name moves the entries of a small layer, as PNG or SVG by the suffix of the path.

    The same rewrite is the same file. It takes torch and matplotlib.

    Raises:
        UsageError: there is no rewrite of this name, or the file cannot be written.
    """
    from convcheck.proof.pictures.rewrite_maps import rewrite_maps
    from convcheck.report.rewrite_figure import draw

    draw(rewrite_maps(name), Path(path))
