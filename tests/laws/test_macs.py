"""Multiply-accumulates that torch's counter of operations leaves out, against what is counted by hand."""

from __future__ import annotations

import pytest

from convcheck.api import verify
from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import parse_layer
from convcheck.sizes.patterns import Shapes
from tests.laws.test_laws import UNCOUNTED

HAND_COUNTED: dict[str, tuple[str, Shapes, int]] = {
    # 2*4*5 queries, each with 7 keys of 8 features, and the 7 probabilities with values of 6.
    "attention-sum": ("scaled_dot_product_attention()", ((2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)), 40 * 7 * (8 + 6)),
    # 15 tokens through four projections of 8*8, then 15 queries with the 5 keys of their image, twice 8 features.
    "multihead-sum": ("MultiheadAttention(8, 2, batch_first=True)", ((3, 5, 8),), 15 * 4 * 64 + 15 * 5 * (8 + 8)),
    # 6 rows, each with a weight of 5*4.
    "broadcast-sum": ("Linear(4, 5)", ((2, 3, 4),), 6 * 20),
    # 2*3 places of a window of 2*2, over 2 channels, for 3 channels.
    "windows-sum": ("Conv2d(2, 3, 2)", ((1, 2, 3, 4),), 6 * 4 * 2 * 3),
    "loops": ("Conv2d(2, 3, 2)", ((1, 2, 3, 4),), 6 * 4 * 2 * 3),
    # Tiles of 4*4 outputs, of which 4*6 outputs need two: 6*6 products each, over 2 channels, for 3 channels.
    "winograd": ("Conv2d(2, 3, 3)", ((1, 2, 6, 8),), 2 * 36 * 2 * 3),
    # Transforms of 8 points, of 3 stages, for 2 inputs, 3 outputs and 6 kernels; 5 frequencies, 4 real products each.
    "fft": ("Conv1d(2, 3, 3)", ((1, 2, 8),), (2 + 3 + 6) * 8 * 3 + 5 * 4 * 6),
}


def test_every_rewrite_that_torch_does_not_count_is_counted_by_hand() -> None:
    assert HAND_COUNTED.keys() == UNCOUNTED


@pytest.mark.parametrize("name", HAND_COUNTED)
def test_macs_are_those_counted_by_hand(name: str) -> None:
    text, shapes, counted = HAND_COUNTED[name]
    layer = parse_layer(text)
    assert not catalogue()[name].refuse(layer, shapes)
    assert catalogue()[name].macs(layer, *shapes) == counted


def test_a_fold_saves_no_product_that_torch_counts_and_says_what_it_saves() -> None:
    chain, fold = parse_layer("Sequential(Conv2d(3, 8, 3), BatchNorm2d(8))"), catalogue()["fold-batchnorm"]
    shape = (2, 3, 6, 6)
    assert chain.macs(shape) == fold.macs(chain, shape) == parse_layer("Conv2d(3, 8, 3)").macs(shape)
    result = verify("Sequential(Conv2d(3, 8, 3), BatchNorm2d(8))", shape, "fold-batchnorm")
    assert any("a multiplication and an addition for every entry of the output" in str(note) for note in result.notes)
