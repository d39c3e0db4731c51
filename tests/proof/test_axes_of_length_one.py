"""Axes of length 1 fit anywhere in a suggested layout; they stand where the layer has them."""

from __future__ import annotations

import pytest

import convcheck


@pytest.mark.parametrize(
    "layer",
    [
        "Conv2d(3, 8, (2, 1), stride=(2, 1))",
        "Conv2d(3, 8, (1, 2), stride=(1, 2))",
        "Conv2d(3, 1, 2, stride=2)",
        "Conv2d(3, 1, (2, 1), stride=(2, 1))",
    ],
)
def test_an_axis_of_length_one_stands_behind_its_neighbour(layer: str) -> None:
    result = convcheck.verify(layer, rewrite="patchify-linear", transplant={"weight": "o i kh kw -> o (kh kw i)"})
    assert result.suggestion == "o i kh kw -> o (i kh kw)"
