"""What all pictures have in common. matplotlib is an extra, and is imported where something is drawn."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES, SIGNED = "viridis", "RdBu_r"
"""The colours of values, which are as far apart as the values are, and of differences, white where there is none."""

BLUE, RED, GREY = "#31688e", "#b2182b", "#d9d9d9"

SMALL = 8
"""The size of letters beside a picture."""


def check_library() -> None:
    """Raise UsageError where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError("--figure needs matplotlib, which is not installed; pip install matplotlib")


def _save_png(figure: Figure, path: Path, dpi: int) -> None:
    """Write as many colours as a palette has, which takes a third of the bytes."""
    from io import BytesIO

    # matplotlib writes PNG by it.
    from PIL import Image

    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    # No colour is off by more than what an eye notices; other methods lose those that are rare, as the largest errors.
    image = Image.open(drawn).convert("RGB")
    image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    image.save(path, format="PNG", optimize=True)


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a picture as PNG or SVG, by its suffix; the same picture is the same file.

    Raises:
        UsageError: it cannot be written.
    """
    from matplotlib import rc_context

    try:
        with warnings.catch_warnings(), rc_context({"svg.hashsalt": "convcheck"}):
            # A name may have letters that the font lacks.
            warnings.simplefilter("ignore")
            if path.suffix == ".svg":
                figure.savefig(path, metadata={"Date": None})
            else:
                _save_png(figure, path, dpi)
    except OSError as error:
        raise UsageError(f"the figure {str(path)!r} cannot be written: {error.strerror}") from None
