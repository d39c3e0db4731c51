"""A parameter in the place of another one is found by signatures, alone and in what several are joined to."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from convcheck.config.parse_source import parse_source
from convcheck.layers import parse_layer
from convcheck.proof.evidence.diagnosis import Correction, _correction, _matching
from convcheck.rewriting.joined import write_source
from convcheck.rewriting.source_moves import SourceReader
from convcheck.sides.side import side_of_layer
from convcheck.sizes.patterns import Shape

HAS: dict[str, Shape] = {"q": (4, 3), "k": (4, 3), "v": (2, 3), "t": (3, 4)}

FOUND = {
    "swapped": ("[q; k; v]", "[k; q; v]", "[k; q; v]"),
    "transposed": ("[q; k]", "[q; t: i o -> o i]", "[q; t: a0 a1 -> a1 a0]"),
    "laid out in a wrong order": ("[q: (h d) i -> (d h) i, h=2; k]", "[q; k]", "[q: (h d) i -> (h d) i, h=2; k]"),
    "alone": ("q", "k", "k"),
    "right": ("[q; k; v]", "[q; k; v]", "[q; k; v]"),
    "nowhere": ("[q; k; v]", "[q; k * 2; v]", "[q; k; v]"),
}


@pytest.mark.parametrize(("claimed", "true", "expected"), FOUND.values(), ids=FOUND.keys())
def test_what_belongs_there_is_found(claimed: str, true: str, expected: str) -> None:
    generator = torch.Generator().manual_seed(0)
    hashes = {name: torch.randint(2**40, shape, generator=generator) for name, shape in HAS.items()}
    reader = SourceReader(HAS, {})
    before, right = (reader.move(parse_source(text), "target", (0,)) for text in (claimed, true))
    theirs = right.forward({name: tensor.double() for name, tensor in hashes.items()}).long()
    layer = parse_layer("Linear(3, 4)")
    side = dataclasses.replace(side_of_layer(layer, ((2, 3),)), parameter_axes={}, axis_sizes={})
    after = _matching(side, before, None, hashes, theirs)
    assert write_source(after) == expected
    correction = _correction(before, after, "exactly")
    if claimed == "[q; k; v]":
        assert correction == Correction("", claimed, expected)
        assert str(correction) == f"target was made of '{claimed}', and '{expected}' matches exactly"
    assert correction.matching_source == expected
