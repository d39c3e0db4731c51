"""Real weights in a run, in place of drawn ones: those of a file that a config names, or those of a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from convcheck.config.case import Case, WeightFile
from convcheck.proof.evidence.pair import CannotRunError
from convcheck.proof.evidence.samples import Point

Change = Callable[[Point], Point]


def replacing(tensors: Mapping[str, Tensor]) -> Change:
    """Return the function that puts `tensors`, by the layer's names for them, into a point, in whatever dtype."""
    return lambda point: Point(point.inputs, {**point.parameters, **tensors})


def of_case(case: Case) -> tuple[Change, tuple[str, ...]] | None:
    """Return what puts the weights of the case's file into a point, and what is to be said; None if it names none.

    The function raises CannotRunError if the file cannot be read any more.
    """
    weights = case.weights
    if weights is None:
        return None
    names = (*case.layer.parameters(), *case.layer.statistics())
    drawn = [name for name in names if name not in weights.keys]
    real = ", ".join(name for name in names if name in weights.keys)
    rest = f"; random, since no key is given: {', '.join(drawn)}" if drawn else ""
    return lambda point: replacing(_load(weights))(point), (f"weights: {real} of {weights.written}{rest}",)


def _load(weights: WeightFile) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights.path, framework="pt") as file:
            return {name: file.get_tensor(key) for name, key in weights.keys.items()}
    except (OSError, SafetensorError) as error:
        raise CannotRunError(f"{weights.written} was read before, and cannot be now: {error}") from None
