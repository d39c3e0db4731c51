"""Layers for a rewrite, drawn with the tests' own strategies from a fixed seed."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, Phase

from benchmarks.equivalence import MOST_POINTS, points
from convcheck.layers import DotProductAttention, Layer, MultiheadAttention
from convcheck.sizes.patterns import Shapes
from tests.strategies.catalogued import accepted


def layers_for(name: str, count: int, seed: int) -> list[tuple[Layer, Shapes]]:
    """Return up to `count` distinct layers that a rewrite holds for, with the shapes of inputs.

    Twice as many are drawn, and the smaller ones left out, of which many are a product of two numbers; and so are those
    that are too large to be proved the same function of, point by point.
    """
    found: dict[tuple[str, Shapes], tuple[Layer, Shapes]] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        max_examples=2 * count,
    )
    @hypothesis.given(accepted(name).filter(lambda drawn: tells(*drawn)))
    def keep(drawn: tuple[Layer, Shapes]) -> None:
        layer, shapes = drawn
        found[str(layer), shapes] = drawn

    keep()
    provable = (drawn for drawn in found.values() if drawn[0].degree() is None or points(*drawn) <= MOST_POINTS)
    return sorted(provable, key=lambda drawn: points(*drawn))[-count:]


def tells(layer: Layer, shapes: Shapes) -> bool:
    """Tell whether an attention has two keys at least, all of which some query sees.

    A softmax over one key is 1 whatever query and key are; that is a fact of the case and of no fault.
    """
    if isinstance(layer, DotProductAttention):
        queries, keys = shapes[0][-2], shapes[1][-2]
        return keys > 1 and (queries >= keys or not layer.is_causal)
    if isinstance(layer, MultiheadAttention):
        tokens = shapes[1] if len(shapes) > 1 else shapes[0]
        return tokens[-2 if layer.batch_first or len(tokens) == 2 else 0] + layer.added > 1
    return True
