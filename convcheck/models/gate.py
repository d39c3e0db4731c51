"""Configs of a model for `verify`: what was swapped in, held against the layers, and all layers with their rewrites."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from convcheck.models.records import Place, ScanReport
from convcheck.models.swap_file import Key, class_name
from convcheck.version import __version__


def gate_text(report: ScanReport, swaps: Mapping[Place, Key], code: str) -> str:
    """Return a config with a case for every kind of swap; `code` is the name of the file with the classes."""
    lines = [
        f"# The swapped layers of {' '.join(report.model.split())}, against the layers of before.",
        f"# convcheck verify THIS.yaml --trust    (it runs {code}; written by convcheck {__version__})",
        "cases:",
    ]
    for number, key in enumerate(dict.fromkeys(swaps.values()), start=1):
        layer, shapes, rewrite = key
        path = next(place[0] for place, other in swaps.items() if other == key)
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


def proved(report: ScanReport) -> ScanReport:
    """Return the report with the rewrites alone that are equal, and the lines that have any."""
    lines = (replace(line, rewrites=tuple(one for one in line.rewrites if one.ok)) for line in report.layers)
    return replace(report, layers=tuple(line for line in lines if line.rewrites))


def cases_text(report: ScanReport) -> str:
    """Return a config with a case for every line that has rewrites, on random weights."""
    lines = [f"# The layers of {' '.join(report.model.split())} that have rewrites, as they are called.", "cases:"]
    names: set[str] = set()
    for line in report.layers:
        if not line.rewrites:
            continue
        name = "-".join(line.places[0]) or "model"
        while name in names:
            name += "-again"
        names.add(name)
        inputs = [list(shape) for shape in line.inputs]
        lines += [
            f"  - name: {json.dumps(name)}",
            f"    layer: {json.dumps(line.layer)}",
            f"    input: {json.dumps(inputs[0] if len(inputs) == 1 else inputs)}",
            f"    rewrite: {json.dumps([one.rewrite for one in line.rewrites])}",
            f"    dtype: {report.dtypes[0]}",
        ]
    return "\n".join(lines) + "\n"
