"""The config that keeps a swap true: its classes, held against the layers, in every run of a CI."""

from __future__ import annotations

import json
from collections.abc import Mapping

from convcheck.models.records import ScanReport
from convcheck.models.swap_file import Key, class_name
from convcheck.version import __version__


def gate_text(report: ScanReport, swaps: Mapping[str, Key], code: str) -> str:
    """Return a config with a case for every kind of swap; `code` is the name of the file with the classes."""
    lines = [
        f"# The swapped layers of {' '.join(report.model.split())}, against the layers of before.",
        f"# convcheck verify THIS.yaml --trust    (it runs {code}; written by convcheck {__version__})",
        "cases:",
    ]
    for number, key in enumerate(dict.fromkeys(swaps.values()), start=1):
        layer, shapes, rewrite = key
        path = next(path for path, other in swaps.items() if other == key)
        name = class_name(key, number)
        inputs = [list(shape) for shape in shapes]
        lines += [
            f"  - name: {json.dumps(f'{path}-{rewrite}')}",
            f"    reference: {json.dumps(str(layer))}",
            f"    candidate: {json.dumps(f'{code}:{name}()')}",
            *([f"    map: {json.dumps(f'{code}:convert_{number}')}"] if layer.parameters() else []),
            f"    input: {json.dumps(inputs[0] if len(inputs) == 1 else inputs)}",
            f"    dtype: {report.dtypes[0]}",
        ]
    return "\n".join(lines) + "\n"
