"""Patchify and Unpatchify: what they compute, as laws."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convcheck import Patchify, Unpatchify
from tests.strategies.layers import per_axis, small

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class Geometry:
    """Patches in an image: along every axis their length, their stride, their number, and the positions left over."""

    batch: tuple[int, ...]
    patch: tuple[int, ...]
    stride: tuple[int, ...]
    grid: tuple[int, ...]
    rest: tuple[int, ...]

    @property
    def dims(self) -> int:
        return len(self.patch)

    @property
    def least(self) -> tuple[int, ...]:
        """The shortest axes that hold the grid."""
        axes = zip(self.grid, self.stride, self.patch, strict=True)
        return tuple((patches - 1) * stride + patch for patches, stride, patch in axes)

    @property
    def space(self) -> tuple[int, ...]:
        return tuple(length + rest for length, rest in zip(self.least, self.rest, strict=True))

    def coverage(self) -> Tensor:
        """Count, by going through them one by one, the patches over every position: `[*space, 1]`."""
        count = torch.zeros(*self.space, 1, dtype=torch.float64)
        for place in itertools.product(*map(range, self.grid)):
            axes = zip(place, self.stride, self.patch, strict=True)
            count[tuple(slice(at * stride, at * stride + patch) for at, stride, patch in axes)] += 1
        return count


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Draw patches that overlap, tile or leave gaps; batched or not.

    torch is seeded too, so that an example that fails does so again.
    """
    torch.manual_seed(draw(st.integers(0, 2**32 - 1)))
    dims = draw(st.integers(1, 3))
    patch = draw(per_axis(dims, st.integers(1, 4 if dims < 3 else 3)))
    others = per_axis(dims, st.integers(1, 5 if dims < 3 else 4))
    stride = draw(st.one_of(others, st.just(patch)))
    rest = [draw(st.integers(0, step - 1)) for step in stride]
    lists = (draw(st.lists(small, max_size=1)), patch, stride, draw(per_axis(dims, small)), rest)
    return Geometry(*map(tuple, lists))


def integers(*shape: int) -> Tensor:
    """Whole numbers, small enough for float64 to sum them exactly in any order; none of them zero."""
    return (torch.randint(1, 9, shape) * (2 * torch.randint(0, 2, shape) - 1)).double()


def with_integers(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        parameter.data = integers(*parameter.shape)
    return module


def pair(geometry: Geometry, features: int, embedding: int) -> tuple[Patchify, Unpatchify]:
    """Return Patchify without bias, of whole numbers, and Unpatchify with its very weight."""
    sizes = {"data_dim": geometry.dims, "patch_size": geometry.patch, "stride": geometry.stride, "bias": False}
    forth = with_integers(Patchify(features, embedding, **sizes))
    back = Unpatchify(embedding, features, **sizes, dtype=torch.float64)
    back.load_state_dict(forth.state_dict())
    return forth, back


def orthonormal(size: int) -> Tensor:
    """Return a matrix with orthonormal columns that float64 holds exactly: signs and halves, shuffled."""
    half = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64) / 2
    blocks = [half] * (size // 4) + [torch.ones(1, 1, dtype=torch.float64)] * (size % 4)
    signs = 2.0 * torch.randint(0, 2, (size, 1)) - 1
    return torch.block_diag(*blocks)[torch.randperm(size)][:, torch.randperm(size)] * signs


@given(geometries(), small, small, st.booleans())
def test_patchify_is_torchs_convolution_and_drops_what_fills_no_patch(
    geometry: Geometry, features: int, embedding: int, bias: bool
) -> None:
    patchify = with_integers(Patchify(features, embedding, geometry.dims, geometry.patch, geometry.stride, bias))
    x = integers(*geometry.batch, *geometry.space, features)
    y = patchify(x)
    assert y.shape == (*geometry.batch, *geometry.grid, embedding)
    reference = CONVS[geometry.dims](features, embedding, geometry.patch, geometry.stride, bias=bias).double()
    reference.load_state_dict(patchify.conv.state_dict())
    assert torch.equal(y, reference(x.movedim(-1, len(geometry.batch))).movedim(len(geometry.batch), -1))
    read = tuple(slice(length) for length in geometry.least)
    assert torch.equal(y, patchify(x[(..., *read, slice(None))]))


@given(geometries(), small, small, st.booleans())
def test_unpatchify_is_torchs_transposed_convolution(
    geometry: Geometry, features: int, embedding: int, bias: bool
) -> None:
    unpatchify = with_integers(Unpatchify(embedding, features, geometry.dims, geometry.patch, geometry.stride, bias))
    y = integers(*geometry.batch, *geometry.grid, embedding)
    x = unpatchify(y)
    assert x.shape == (*geometry.batch, *geometry.least, features)
    reference = TRANSPOSED[geometry.dims](embedding, features, geometry.patch, geometry.stride, bias=bias).double()
    reference.load_state_dict(unpatchify.conv.state_dict())
    assert torch.equal(x, reference(y.movedim(-1, len(geometry.batch))).movedim(len(geometry.batch), -1))


@given(geometries(), small, small)
def test_every_size_that_shares_the_grid_can_be_asked_for_and_what_no_patch_covers_holds_the_bias(
    geometry: Geometry, features: int, embedding: int
) -> None:
    unpatchify = with_integers(Unpatchify(embedding, features, geometry.dims, geometry.patch, geometry.stride))
    y = integers(*geometry.batch, *geometry.grid, embedding)
    x = unpatchify(y, geometry.space)
    assert x.shape == (*geometry.batch, *geometry.space, features)
    assert torch.equal(x[(..., *map(slice, geometry.least), slice(None))], unpatchify(y))
    bare = geometry.coverage()[..., 0] == 0
    rows = x[(slice(None),) * len(geometry.batch) + (bare,)]
    assert torch.equal(rows, unpatchify.conv.bias.expand_as(rows))


def test_rows_without_a_patch_are_there_to_be_seen() -> None:
    unpatchify = with_integers(Unpatchify(1, 3, 1, 2, stride=4))
    x = unpatchify(integers(1, 2, 1), 9)
    bare = [2, 3, 6, 7, 8]
    assert torch.equal(x[0, bare], unpatchify.conv.bias.expand(5, 3))
    assert (x[0, [0, 1, 4, 5]] != unpatchify.conv.bias).all()


def test_the_constructors_output_shape_holds_where_forward_is_given_none() -> None:
    unpatchify = Unpatchify(2, 3, 2, 4, output_spatial_shape=(9, 11))
    y = torch.ones(1, 2, 2, 2)
    assert unpatchify(y).shape == (1, 9, 11, 3)
    assert unpatchify(y, (8, 10)).shape == (1, 8, 10, 3)
    assert unpatchify(y, 10).shape == (1, 10, 10, 3)


@given(geometries(), small, small)
def test_unpatchify_is_the_adjoint_of_patchify_exactly(geometry: Geometry, features: int, embedding: int) -> None:
    forth, back = pair(geometry, features, embedding)
    x = integers(*geometry.batch, *geometry.space, features)
    y = integers(*geometry.batch, *geometry.grid, embedding)
    assert (forth(x) * y).sum() == (x * back(y, geometry.space)).sum()


@given(geometries(), small)
def test_with_an_orthonormal_kernel_the_round_trip_returns_x_once_for_every_patch_over_it(
    geometry: Geometry, features: int
) -> None:
    volume = features * math.prod(geometry.patch)
    forth, back = pair(geometry, features, volume)
    forth.conv.weight.data = back.conv.weight.data = orthonormal(volume).reshape_as(forth.conv.weight)
    x = integers(*geometry.batch, *geometry.space, features)
    assert torch.equal(back(forth(x), geometry.space), geometry.coverage() * x)


@given(geometries(), st.data())
def test_unpatchify_takes_just_the_sizes_that_patchify_would_cut_into_this_grid(
    geometry: Geometry, data: st.DataObject
) -> None:
    space = tuple(data.draw(st.integers(1, length + 6)) for length in geometry.least)
    patchify = Patchify(1, 1, geometry.dims, geometry.patch, geometry.stride)
    unpatchify = Unpatchify(1, 1, geometry.dims, geometry.patch, geometry.stride)
    fits = all(length >= patch for length, patch in zip(space, geometry.patch, strict=True))
    fits = fits and patchify(torch.ones(*space, 1)).shape == (*geometry.grid, 1)
    try:
        assert unpatchify(torch.ones(*geometry.grid, 1), space).shape == (*space, 1)
    except ValueError:
        assert not fits
    else:
        assert fits
