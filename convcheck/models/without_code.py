"""Scans layers of which there is no code: those of a print, or of a checkpoint with a map of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.checkpoints.checkpoint import open_checkpoint
from convcheck.errors import ConvcheckError
from convcheck.models.choice import choices
from convcheck.models.given_shapes import parse_given
from convcheck.models.layer_map import dtype_of_file, leaves_of_file, read_layer_map
from convcheck.models.leaves import Leaf
from convcheck.models.lines import lines_of
from convcheck.models.printed import leaves_of_print
from convcheck.models.records import ScanReport
from convcheck.models.scan import Asked, Listeners, judged, this_tool

DRAWN = "weights are drawn, since a print has none"


def scan_print(text: str, inputs: Sequence[str], asked: Asked, hear: Listeners) -> ScanReport:
    """Scan the layers of a printed model, on drawn weights. `inputs` are SHAPE, that of its input, or PATH=SHAPE.

    Raises:
        ConvcheckError: the print or a shape cannot be read, or nothing of it has rewrites.
    """
    leaves = leaves_of_print(text, parse_given(inputs))
    return _report(leaves, "standard input", asked, "float32", (DRAWN,), hear)


def scan_file(path: str, layer_map: str, inputs: Sequence[str], asked: Asked, hear: Listeners) -> ScanReport:
    """Scan the layers of a checkpoint that a map names, on its weights.

    Raises:
        ConvcheckError: the map, the file or a shape cannot be read, or one is not that of the other.
    """
    layers = read_layer_map(layer_map)
    checkpoint = open_checkpoint(path)
    leaves = leaves_of_file(checkpoint, layers, parse_given(inputs))
    return _report(leaves, path, asked, dtype_of_file(checkpoint, leaves), (), hear)


def _report(
    leaves: Sequence[Leaf], name: str, asked: Asked, dtype: str, notes: tuple[str, ...], hear: Listeners
) -> ScanReport:
    found = lines_of(leaves, asked.rewrites, asked.only)
    if not found.lines:
        what = f"no layer matches {', '.join(asked.only)}" if asked.only and leaves else "no layer of it has rewrites"
        raise ConvcheckError(f"{name}: {what}")
    dtypes, tool = asked.dtypes or (dtype,), this_tool()
    lines, more, interrupted = judged(found, dtypes, asked, tool, hear)
    layers = tuple(sorted(lines, key=lambda line: -line.saved(dtypes[0])))
    chosen = choices(layers, (), dtypes, bench=True, least=asked.min_speedup)[0] if asked.bench else ()
    return ScanReport(
        name, tool, layers, dtypes, chosen, found.left_out, notes=(*notes, *more), interrupted=interrupted
    )
