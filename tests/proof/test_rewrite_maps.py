"""The picture of a rewrite shows what its candidate does with a small layer."""

from __future__ import annotations

import pytest
import torch
from einops import rearrange

from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import parse_layer
from convcheck.proof.pictures.rewrite_maps import rewrite_maps
from convcheck.results.pictures import Sheet
from convcheck.rewriting.small_layer import small_layer


def numbers(sheet: Sheet) -> torch.Tensor:
    return torch.tensor(sheet.numbers)


@pytest.mark.parametrize("name", catalogue())
def test_the_layer_is_of_the_examples_kind_and_the_rewrite_holds_for_it(name: str) -> None:
    rewrite = catalogue()[name]
    layer, shapes = small_layer(rewrite)
    example = parse_layer(rewrite.example)
    assert not rewrite.refuse(layer, shapes)
    assert [leaf.kind for leaf in layer.leaves()] == [leaf.kind for leaf in example.leaves()]
    assert all(shape[0] == 1 for shape in shapes)


@pytest.mark.parametrize("name", catalogue())
def test_every_rewrite_has_a_picture(name: str) -> None:
    maps = rewrite_maps(name)
    assert maps.before
    first = {number for sheet in maps.before for row in sheet.numbers for number in row}
    assert 0 not in first
    for sheet in (*maps.before, *maps.after, *maps.weights, *maps.results):
        assert [len(row) for row in sheet.numbers] == [len(row) for row in sheet.colours]
    assert len(maps.results) in (0, 2)


def test_patches_are_rows_of_one_colour() -> None:
    maps = rewrite_maps("patchify-linear")
    (image,), (rows,) = maps.before, maps.after
    x = torch.arange(1, 99).reshape(1, 2, 7, 7)
    assert image.shape == (1, 2, 7, 7)
    assert torch.equal(numbers(rows), rearrange(x[..., :6, :6], "b c (h p) (w q) -> (b h w) (c p q)", p=2, q=2))
    assert all(len(set(row)) == 1 for row in rows.colours)
    assert len({row[0] for row in rows.colours}) == 9
    colours = [dict(zip(sum(one.numbers, ()), sum(one.colours, ()), strict=True)) for one in (rows, image)]
    # What is read has the colour of its row.
    assert colours[0].items() <= colours[1].items()


def test_weights_are_moved_as_the_pattern_says() -> None:
    before, after = rewrite_maps("conv1x1-unpatchify").weights
    index = torch.arange(1, 17).reshape(2, 2, 2, 2)
    assert (before.shape, after.shape) == ((2, 2, 2, 2), (8, 2, 1, 1))
    assert torch.equal(numbers(after), rearrange(index, "i o kh kw -> (o kh kw) i"))


def test_an_output_is_made_of_what_is_computed_last() -> None:
    computed, output = rewrite_maps("conv1x1-unpatchify").results
    core = torch.arange(1, 73).reshape(1, 8, 3, 3)
    assert computed.shape == (1, 8, 3, 3)
    shuffled = torch.nn.functional.pixel_shuffle(core.double(), 2).long()
    assert torch.equal(numbers(output)[:6, :6], shuffled[0, 0])


def test_what_only_moves_entries_shows_the_output() -> None:
    (output,) = rewrite_maps("indexed").after
    assert output.title == "output"
    x = torch.arange(1, 97, dtype=torch.float64).reshape(1, 8, 3, 4)
    assert torch.equal(numbers(output)[:6, :8], torch.nn.functional.pixel_shuffle(x, 2)[0, 0].long())
