"""Options of the functions in Python that a config has as mappings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convcheck.config.case import Tolerance, WeightFile
from convcheck.config.checks import check_bound
from convcheck.config.own_values import checkpoints_of
from convcheck.config.stored_tensors import ENDING
from convcheck.config.weights import weight_file, weight_problems
from convcheck.errors import ConvcheckError, did_you_mean, shown
from convcheck.layers import Layer
from convcheck.results import Sides


def mapping_option(option: str, given: object, example: str) -> Mapping[str, object]:
    """Return an option that is a mapping by names, an empty one for None. Raises ConvcheckError if it is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConvcheckError(f"{option}: {shown(given)} is no mapping of names; write one, such as {example}")
    return given


def weights_option(given: Mapping[str, str], layer: Layer) -> WeightFile:
    """Return the option `weights`. Raises ConvcheckError if the file or a key in it cannot be."""
    weights = mapping_option("weights", given, "{'file': 'model.safetensors', 'weight': 'stem.weight'}")
    file = str(weights.get("file"))
    if file.endswith(ENDING) and not Path(file).exists():
        raise ConvcheckError(f"weights.file: there is no {shown(file)}; convcheck.save_weights(module, ...) writes one")
    problems = [f"{'.'.join(map(str, path))}: {text}" for path, text in weight_problems(weights, Path(), layer)]
    if problems:
        raise ConvcheckError("; ".join(problems))
    return weight_file(weights, Path())


def checkpoints_option(weights: object) -> Sides[str] | None:
    """Return the checkpoints that both sides hold, None for other `weights`. Raises ConvcheckError if one lacks."""
    files = checkpoints_of(weights)
    if isinstance(files, str):
        raise ConvcheckError(f"weights: {files}")
    return files


def tolerance_option(given: object) -> Tolerance | None:
    """Return the option `tolerance`, None for the derived bound. Raises ConvcheckError if it is none."""
    if given is None or (isinstance(given, str) and given == "auto"):
        return None
    bounds = mapping_option("tolerance", given, "{'atol': 1e-6, 'rtol': 0}; or 'auto' for the derived bound")
    for name in bounds:
        if name not in ("atol", "rtol"):
            raise ConvcheckError(f"unknown tolerance {name!r}; {did_you_mean(name, ('atol', 'rtol'))}")
    return Tolerance(*(check_bound(bounds.get(name, 0.0)) for name in ("atol", "rtol")))
