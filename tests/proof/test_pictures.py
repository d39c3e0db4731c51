"""What pictures show is what was computed: counts, places, and which entry of a weight is which."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from einops import rearrange

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.pictures.output_layout import OutputLayout, layout_of
from convcheck.proof.pictures.output_maps import output_maps
from convcheck.proof.pictures.watch import Watch
from convcheck.proof.verification import verify
from convcheck.results import Result, Verdict
from convcheck.results.pictures import Detail, Picture, half_decade
from convcheck.sizes.patterns import Shape, Shapes
from convcheck.sizes.relayouts import parse_relayout

IMAGE = layout_of(("b", "o", "h", "w"), (2, 5, 6, 7))


def proved(layer: str, rewrite: str, shapes: Shapes | None = None, pattern: str | None = None) -> Result:
    parsed = parse_layer(layer)
    transplant = {} if pattern is None else {"weight": parse_relayout(pattern)}
    inputs = shapes or parsed.example_inputs()
    case = Case("case", parsed, inputs, (rewrite,), transplant=transplant, detail=Detail.MAPS)
    (claim,) = claims_of([case])
    result = verify(claim)
    plain = verify(replace(claim, case=replace(case, detail=Detail.NONE)))
    # A picture is evidence of nothing.
    assert plain.picture is None
    assert replace(result, picture=None, seconds=0.0) == replace(plain, seconds=0.0)
    return result


def picture(*words: str, **more: object) -> Picture:
    shown = proved(*words, **more).picture  # type: ignore[arg-type]
    assert shown is not None
    return shown


def watched(error: torch.Tensor, limit: torch.Tensor, layout: OutputLayout, cuts: list[int]) -> Watch:
    """Return a watch that saw an output in slices of its first axis."""
    watch = Watch(tuple(error.shape), layout)
    for start, stop in pairwise([0, *cuts, len(error)]):
        watch.see((start, *[0] * (error.dim() - 1)), error[start:stop], limit[start:stop])
    return watch


LAYOUTS = {
    "image": (("b", "o", "h", "w"), (2, 5, 6, 7), (2, 3), 1),
    "channels last": (("b", "h", "w", "o"), (2, 6, 7, 5), (1, 2), 3),
    "frames": (("b", "o", "t", "h", "w"), (2, 5, 3, 6, 7), (3, 4), 1),
    "signal": (("b", "o", "l"), (2, 5, 9), (2,), 1),
    "vectors": (("b", "o"), (3, 5), (1,), None),
    "tokens": (("axis 0", "axis 1", "o"), (2, 4, 5), (1, 2), None),
    "code": (("axis 0", "axis 1", "axis 2", "axis 3"), (2, 5, 6, 7), (2, 3), 1),
    "another shape": (("b", "o", "h", "w"), (2, 5, 42), (1, 2), None),
    "a number": ((), (), (), None),
    "a row": (("axis 0",), (4,), (0,), None),
    "a row of channels": (("o",), (4,), (0,), None),
}


@pytest.mark.parametrize(("names", "shape", "space", "channel"), LAYOUTS.values(), ids=LAYOUTS)
def test_axes_lie_where_a_reader_expects_them(
    names: tuple[str, ...], shape: Shape, space: Shape, channel: int | None
) -> None:
    layout = layout_of(names, shape)
    assert (layout.space, layout.channel) == (space, channel)
    output = torch.randn(shape, dtype=torch.float64)
    shown = output_maps(output, output.clone(), names, None)
    assert shown.channels == (None if channel is None else shape[channel])
    watch = Watch(shape, layout)
    watch.see((0,) * len(shape), output.abs(), torch.ones_like(output))
    assert watch.spread().histogram.entries == output.numel()


def test_counts_are_the_same_in_slices_and_add_up() -> None:
    generator = torch.Generator().manual_seed(1)
    error = torch.rand(2, 5, 6, 7, generator=generator, dtype=torch.float64) ** 8
    error[0, 0, 0, :3] = torch.tensor([0.0, math.inf, math.nan])
    limit = torch.full_like(error, 0.01)
    whole, parts = watched(error, limit, IMAGE, []).spread(), watched(error, limit, IMAGE, [1]).spread()
    assert whole == parts
    assert whole.histogram.entries == error.numel()
    assert (whole.histogram.zeros, whole.histogram.endless) == (1, 2)
    assert whole.histogram.beyond == int((~(error <= limit)).sum())
    ratio = (error / limit).nan_to_num(math.inf, math.inf)
    assert list(whole.channels) == ratio.amax((0, 2, 3)).tolist()


def test_a_slice_along_another_axis_falls_in_its_place() -> None:
    error = torch.rand(1, 5, 30, 50, dtype=torch.float64)
    limit, layout = torch.full_like(error, 0.5), layout_of(("b", "o", "h", "w"), (1, 5, 30, 50))
    whole, parts = Watch((1, 5, 30, 50), layout), Watch((1, 5, 30, 50), layout)
    whole.see((0, 0, 0, 0), error, limit)
    for start, stop in ((7, 30), (0, 7)):
        parts.see((0, 0, start, 0), error[:, :, start:stop], limit[:, :, start:stop])
    assert whole.spread() == parts.spread()


@pytest.mark.parametrize("ratio", [1e-3, 0.5, 1.0, 1.0 + 1e-12, 3.0, 1e5])
def test_what_is_within_the_bound_is_counted_as_within(ratio: float) -> None:
    limit = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    histogram = watched(limit * ratio, limit, layout_of(("b", "o", "h", "w"), (1, 1, 1, 1)), []).spread().histogram
    assert histogram.beyond == (ratio > 1)
    assert [*histogram.halves] == [half_decade(ratio)]


def test_a_strip_marks_the_wrong_positions() -> None:
    error = torch.zeros(2, 5, 24, 80, dtype=torch.float64)
    error[1, 3, 4:6, 10:13] = 7.0
    strip = watched(error, torch.ones_like(error), layout_of(("b", "o", "h", "w"), (2, 5, 24, 80)), [1]).spread().strip
    assert strip is not None
    assert (strip.channel, strip.axes, strip.lengths) == (3, ("height", "width"), (24, 80))
    marked = {(row, column) for row, line in enumerate(strip.blocks) for column, value in enumerate(line) if value}
    assert (len(strip.blocks), len(strip.blocks[0])) == (12, 40)
    assert marked == {(2, 5), (2, 6)}


PERMUTATIONS = {
    "channels first": "o i kh kw -> o (i kh kw)",
    "channels last": "o i kh kw -> o (kh kw i)",
    "swapped": "o i kh kw -> o (i kw kh)",
}


@pytest.mark.parametrize("pattern", PERMUTATIONS.values(), ids=PERMUTATIONS)
def test_an_injected_permutation_is_the_index_map_of_the_weight(pattern: str) -> None:
    shown = picture("Conv2d(3, 16, 4, stride=4)", "patchify-linear", ((1, 3, 8, 12),), pattern=pattern)
    (weight,) = shown.weights
    index = torch.arange(16 * 48, dtype=torch.float64).reshape(16, 3, 4, 4)
    assert weight.moved
    assert weight.shapes == ((16, 3, 4, 4), (16, 48))
    assert torch.equal(torch.tensor(weight.before).double(), index.reshape(16, 48)[:8])
    assert torch.equal(torch.tensor(weight.after).double(), rearrange(index, pattern)[:8])


def test_constants_are_no_entry_and_merged_weights_are_values() -> None:
    (grouped,) = picture("Conv2d(4, 8, 3, groups=2)", "blockdiagonal-conv").weights
    assert grouped.moved
    assert sum(map(math.isnan, grouped.after[0])) == len(grouped.after[0]) // 2
    (merged,) = picture("Sequential(Conv2d(3, 4, 3, bias=False), BatchNorm2d(4))", "fold-batchnorm").weights
    assert not merged.moved
    assert merged.before != merged.after


def test_channels_that_differ_come_first_and_the_difference_has_its_place() -> None:
    reference = torch.randn(2, 9, 5, 6, dtype=torch.float64)
    candidate = reference.clone()
    candidate[1, 7, 2, 3] += 5
    shown = output_maps(reference, candidate, ("b", "o", "h", "w"), (1, 7, 2, 3))
    assert (shown.channels, len(shown.maps), shown.place) == (9, 6, {"batch": 1})
    first = shown.maps[0]
    assert first.channel == 7
    assert first.difference is not None
    assert [(row, column) for row in range(5) for column in range(6) if first.difference[row][column]] == [(2, 3)]
    assert shown.maps[1].difference == ((0.0,) * 6,) * 5


def test_a_difference_of_one_position_is_not_lost_in_a_large_map() -> None:
    reference = torch.zeros(1, 1, 500, 700, dtype=torch.float64)
    candidate = reference.clone()
    candidate[0, 0, 251, 333] = -3
    shown = output_maps(reference, candidate, ("b", "o", "h", "w"), (0, 0, 251, 333))
    grid = shown.maps[0].difference
    assert grid is not None
    assert max(len(grid), len(grid[0])) <= 96
    assert min(min(row) for row in grid) == -3
    assert shown.lengths == (500, 700)


def test_outputs_of_other_shapes_are_both_there_without_a_difference() -> None:
    shown = output_maps(torch.ones(1, 2, 4, 5), torch.ones(1, 2, 20), ("b", "o", "h", "w"), None)
    assert (shown.lengths, shown.candidate_lengths) == ((4, 5), (2, 20))
    assert all(one.difference is None for one in shown.maps)
    assert shown.maps[0].candidate is not None
    assert shown.maps[1].candidate is None


def test_weights_that_do_not_fit_are_shown_beside_the_reference_alone() -> None:
    layer = "Conv2d(3, 4, (2, 4), stride=(2, 4))"
    result = proved(layer, "patchify-conv1x1", pattern="o i kh kw -> o (i kh) kw 1")
    assert result.verdict is Verdict.DIFFERENT
    assert result.picture is not None
    assert result.picture.spread is None
    assert result.picture.outputs is not None
    assert all(one.candidate is one.difference is None for one in result.picture.outputs.maps)
    assert result.picture.weights[0].shapes == ((4, 3, 2, 4), (4, 6, 4, 1))


@pytest.mark.parametrize("name", ["patchify-linear", "time-sum", "broadcast-sum", "rearranged"])
def test_every_kind_of_layer_has_a_picture(name: str) -> None:
    rewrite = catalogue()[name]
    shown = proved(rewrite.example, name, rewrite.example_inputs).picture
    assert shown is not None
    assert shown.outputs is not None
    assert shown.spread is not None
    assert shown.spread.histogram.beyond == 0
