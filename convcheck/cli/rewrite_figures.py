"""The picture of a rewrite, from its name to a file."""

from __future__ import annotations

from pathlib import Path

from convcheck.cli import console, figures
from convcheck.errors import shown


def draw_rewrite(name: str, path: Path | str) -> None:
    """Draw where the rewrite of this name moves the entries of a small layer, as PNG or SVG by the suffix of the path.

    The same rewrite is the same file. It takes torch and matplotlib.

    Raises:
        UsageError: there is no rewrite of this name, or the file cannot be written.
    """
    from convcheck.proof.pictures.rewrite_maps import rewrite_maps
    from convcheck.report.rewrite_figure import draw

    draw(rewrite_maps(name), Path(path))


def draw_rewrites(name: str | None, folder: str) -> None:
    """Draw the rewrite of this name, or all, into DIR/NAME.png, and say where.

    Raises:
        UsageError: matplotlib is missing, or nothing can be written there.
    """
    from convcheck.catalogue.catalogue import catalogue

    into = figures.folder_of(folder)
    assert into is not None
    names = [name] if name else [*catalogue()]
    for one in names:
        draw_rewrite(one, into / f"{one}.png")
    if name:
        console.hint(f"the picture is {shown(str(into / f'{name}.png'))}")
    else:
        console.hint(f"{len(names)} pictures in {shown(folder)}")
