"""A candidate and its mapping are made for a kind of layer: what they compute is right for other sizes, too."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import Layer, Sequential, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.patterns import Shape

CHANNELS = ("in_channels", "out_channels", "in_features", "out_features", "num_features")

ONE_SIZE = {
    "attention-sum": "the scale is that of so many features",
    "fft": "the transform is so long that it holds all that is read",
    "flatten-linear": "the kernel is as large as the input",
    "loops": "every position is written out",
    "merge-separable": "there are as many groups as channels",
    "multihead-sum": "torch's module takes so many features",
    "unpatchify-fold": "the example asks for one size of the output",
}
"""Rewrites of layers that take one size, or that write it out, and why; any number of images is theirs, too."""


def doubled(layer: Any) -> Layer:
    """Return the layer with twice as many channels."""
    if isinstance(layer, Sequential):
        return dataclasses.replace(layer, layers=tuple(map(doubled, layer.layers)))
    names = {field.name for field in dataclasses.fields(layer)} & set(CHANNELS)
    return dataclasses.replace(layer, **{name: 2 * getattr(layer, name) for name in names})  # type: ignore[no-any-return]


def numbers(shape: Shape) -> Tensor:
    return (torch.arange(math.prod(shape)) * 7 % 11 - 5).double().reshape(shape)


@pytest.mark.parametrize("name", catalogue())
def test_nothing_but_groups_kernel_and_stride_is_written_into_a_candidate_or_its_mapping(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    shapes = rewrite.example_inputs or layer.example_inputs()
    candidate, transplant = rewrite.build(layer, shapes).double().eval(), rewrite.transplant(layer, shapes)
    if name in ONE_SIZE:
        other, others = layer, tuple((2 * first, *rest) for first, *rest in shapes)
    else:
        other, others = doubled(layer), tuple(tuple(2 * length for length in shape) for shape in shapes)
    reference = build(other, torch.float64).eval()
    state = {entry: numbers(tuple(tensor.shape)) for entry, tensor in reference.state_dict().items()}
    # A variance is positive.
    state = {entry: tensor.abs() + 1 if "var" in entry else tensor for entry, tensor in state.items()}
    inputs = tuple(map(numbers, others))
    with torch.no_grad():
        y = functional_call(candidate, transplant.forward(state), inputs)
        torch.testing.assert_close(y, functional_call(reference, state, inputs))
