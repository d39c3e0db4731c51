"""Samples at which both sides are evaluated: inputs, parameters and statistics, as ones, whole or normal numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from convcheck.errors import CannotRunError
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape

Draw = Callable[[Shape], Tensor]

SCALES = (0.25, 0.0625)
"""What a running variance and its eps add up to in an integer probe: powers of four, so that the root is exact, and
1 / root a whole number."""


FEWEST_CHOICES, MOST_CHOICES = 5, 16
"""How many other masks, and choices among rows, are tried."""


def draw_sample(
    side: Side,
    draw: Draw,
    mask: Draw,
    means: Draw,
    variances: Callable[[Shape, float], Tensor],
    generator: torch.Generator | None = None,
) -> Sample:
    """Fill a sample: `draw` makes inputs and parameters; `mask`, `means` and `variances` make what their names say.

    `variances` takes a shape and the eps that the side adds; `generator` draws which rows whole inputs choose, and
    without one they choose the last.
    """

    def one(number: int, shape: Shape) -> Tensor:
        if number in side.boolean_inputs:
            return mask(shape)
        if number in side.whole_inputs:
            rows = side.whole_inputs[number]
            return torch.full(shape, rows - 1) if generator is None else choices(shape, rows, generator)
        return draw(shape)

    inputs = tuple(one(number, shape) for number, shape in enumerate(side.inputs))
    parameters = {name: draw(shape) for name, shape in side.parameters.items()}
    for name, statistic in side.statistics.items():
        shape, eps = statistic.shape, statistic.eps
        parameters[name] = means(shape) if eps is None else variances(shape, eps)
    return Sample(inputs, parameters)


def _variance(total: float, eps: float) -> float:
    """Return the variance that is `total`, a power of four, with eps. Raises CannotRunError if float64 has none."""
    variance = total - eps
    if variance + eps != total:
        raise CannotRunError(f"eps {eps:g} is so large that float64 has no variance that makes {total:g} with it")
    return variance


def ones(side: Side) -> Sample:
    """Return the sample at which outputs and gradients count their own products, in float64.

    Raises:
        CannotRunError: an eps is too large.
    """
    # A mean is subtracted, so -1 adds up; where variance + eps is 1, it scales by 1.
    return draw_sample(
        side,
        draw=partial(torch.ones, dtype=torch.float64, requires_grad=True),
        mask=partial(torch.ones, dtype=torch.bool),
        means=partial(torch.full, fill_value=-1.0, dtype=torch.float64),
        variances=lambda shape, eps: torch.full(shape, _variance(1.0, eps), dtype=torch.float64),
        generator=torch.Generator().manual_seed(0),
    )


def integers(side: Side, magnitude: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Sample:
    """Draw a sample of whole numbers, uniform in [-magnitude, magnitude]; variances are float64.

    Raises:
        CannotRunError: an eps is too large.
    """

    def variances(shape: Shape, eps: float) -> Tensor:
        chosen = torch.randint(len(SCALES), shape, generator=generator)
        return torch.tensor([_variance(scale, eps) for scale in SCALES], dtype=torch.float64)[chosen]

    whole = partial(whole_numbers, magnitude=magnitude, generator=generator, dtype=dtype)
    return draw_sample(
        side,
        draw=lambda shape: whole(shape).requires_grad_(),
        mask=partial(masks, generator=generator),
        means=whole,
        variances=variances,
        generator=generator,
    )


def choices(shape: Shape, rows: int, generator: torch.Generator) -> Tensor:
    """Draw whole numbers of [0, rows), int64: half of the places are of different rows, the first and last among them.

    The others are drawn freely, so that some rows are chosen twice.
    """
    chosen = torch.randint(rows, shape, generator=generator).flatten()
    ends = torch.tensor([0, rows - 1])
    different = torch.cat([ends, torch.randperm(rows, generator=generator)])[: len(chosen) // 2]
    chosen[torch.randperm(len(chosen), generator=generator)[: len(different)]] = different
    return chosen.reshape(shape)


def whole_numbers(
    shape: Shape, magnitude: int, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Draw whole numbers, uniform in [-magnitude, magnitude]."""
    return torch.randint(-magnitude, magnitude + 1, shape, generator=generator, dtype=dtype)


def masks(shape: Shape, generator: torch.Generator) -> Tensor:
    """Draw a mask of True and False, `[..., l, s]`, in which some query can tell two keys, and some key is hidden.

    Its first column is True, since a row without any has no softmax. With several rows, every column is True in one of
    them at least, so that every key has a query that attends to it. One row of two columns hides the second.
    """
    if len(shape) < 2:
        # Of so few axes none are those of queries and keys.
        return masks((1,) * (2 - len(shape)) + shape, generator).reshape(shape)
    mask = torch.rand(shape, generator=generator) < 0.5
    rows, columns = shape[-2], torch.arange(shape[-1])
    mask[..., 0] = True
    if rows > 1:
        mask[..., columns % rows, columns] = True
    else:
        mask[..., :2] = True
    if len(columns) > 1:
        mask[..., len(columns) % rows, -1] = False
    return mask


def normals(side: Side, parameters: Mapping[str, Tensor], dtype: torch.dtype, generator: torch.Generator) -> Sample:
    """Draw a sample of normal numbers in `dtype`, with `parameters` in place of drawn ones.

    Means are normal, and variances uniform in [0.5, 1.5], as after some training.
    """
    normal = partial(torch.randn, generator=generator, dtype=dtype)
    drawn = draw_sample(
        side,
        draw=normal,
        mask=partial(masks, generator=generator),
        means=normal,
        variances=lambda shape, _eps: torch.rand(shape, generator=generator, dtype=dtype) + 0.5,
        generator=generator,
    )
    return Sample(drawn.inputs, {**drawn.parameters, **parameters})


def balanced(side: Side, scales: Sequence[float], generator: torch.Generator) -> Sample:
    """Draw a sample at which no part of a layer hides behind another, in float64.

    Magnitudes are uniform in [0.5, 1.5], so that a fault in any entry shows, and signs are random. Every input is
    multiplied with its one of `scales`, and a weight with 1 / sqrt(fan-in), so that what it makes is of order 1 again.
    """

    def draw(shape: Shape) -> Tensor:
        magnitude = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
        return torch.where(torch.rand(shape, generator=generator) < 0.5, -magnitude, magnitude)

    sample = draw_sample(
        side,
        draw=draw,
        mask=partial(masks, generator=generator),
        means=draw,
        variances=lambda shape, _eps: draw(shape).abs(),
        generator=generator,
    )
    inputs = (
        tensor * scale if tensor.is_floating_point() else tensor
        for tensor, scale in zip(sample.inputs, scales, strict=True)
    )
    parameters = {name: tensor / math.sqrt(_fan_in(side, name)) for name, tensor in sample.parameters.items()}
    return Sample(tuple(inputs), parameters)


def with_other_choices(side: Side, sample: Sample) -> Iterator[Sample]:
    """Yield the sample with other masks and whole numbers: all and none, and every whole number in every place.

    Of more whole numbers than MOST_CHOICES not all are met in every place.
    """
    if not side.whole_inputs and not side.boolean_inputs:
        return
    generator = torch.Generator().manual_seed(0)

    def other(number: int, tensor: Tensor, step: int) -> Tensor:
        if number in side.boolean_inputs:
            settled = (torch.ones_like, torch.zeros_like, torch.logical_not, _single, lambda one: ~_single(one))
            if step < len(settled):
                return settled[step](tensor)
            return torch.rand(tensor.shape, generator=generator) < 0.5
        if number in side.whole_inputs:
            below = side.whole_inputs[number]
            return torch.full_like(tensor, step * (below - 1)) if step < 2 else (tensor + step - 1) % below
        return tensor

    for step in range(min(MOST_CHOICES, max([FEWEST_CHOICES, *side.whole_inputs.values()])) + 1):
        inputs = tuple(other(number, tensor, step) for number, tensor in enumerate(sample.inputs))
        yield Sample(inputs, sample.parameters)


def _single(mask: Tensor) -> Tensor:
    """Return a mask with one True, in the middle."""
    places = torch.arange(mask.numel()) == mask.numel() // 2
    return places.reshape(mask.shape)


def with_hidden_keys(side: Side, sample: Sample, generator: torch.Generator, *, all_from_one: bool) -> Sample:
    """Return the sample with masks that hide some keys; `all_from_one` hides every key from the last query.

    A mask of numbers hides a key by -inf.
    """

    def hiding(mask: Tensor) -> Tensor:
        visible = masks(tuple(mask.shape), generator)
        if all_from_one:
            visible.flatten(0, -2)[-1] = False
        return visible if mask.dtype == torch.bool else mask.masked_fill(~visible, -math.inf)

    inputs = (hiding(tensor) if n in side.mask_inputs else tensor for n, tensor in enumerate(sample.inputs))
    return Sample(tuple(inputs), sample.parameters)


def _fan_in(side: Side, name: str) -> int:
    """Return how many inputs an entry of what a weight makes has, about; 1 for what is no weight.

    Where axes have no names, the first of a weight is taken to be that of the outputs, as torch has it.
    """
    axes, shape = side.parameter_axes.get(name, ()), side.parameters.get(name, ())
    if len(shape) > 1 and {group[0] for group in axes} == {f"a{number}" for number in range(len(shape))}:
        return math.prod(shape[1:])
    if not any("i" in group for group in axes):
        return 1
    return math.prod(n for group, n in zip(axes, side.parameters[name], strict=True) if "o" not in group)


def with_gradients(side: Side, sample: Sample) -> Sample:
    """Return a copy of the sample in which gradients are taken, but for statistics, in which torch takes none."""
    copied = sample.mapped(lambda tensor: tensor.detach().clone())
    for name, tensor in copied.tensors().items():
        tensor.requires_grad_(tensor.is_floating_point() and name not in side.statistics)
    return copied


def magnitudes(side: Side, sample: Sample, *, in_place: bool = False) -> Sample:
    """Return the sample at which every product of a polynomial is positive, and as large as it is at `sample`.

    `in_place` overwrites the numbers of `sample` with their magnitudes.
    """
    positive = sample.mapped(torch.abs_ if in_place else torch.abs)
    means = {name for name, statistic in side.statistics.items() if statistic.eps is None}
    # A mean is subtracted.
    parameters = {name: -tensor if name in means else tensor for name, tensor in positive.parameters.items()}
    return Sample(positive.inputs, parameters)


def squares(side: Side, sample: Sample, *, in_place: bool = False) -> Sample:
    """Return the sample at which every product of a polynomial is the square of what it is at `sample`.

    `in_place` overwrites the numbers of `sample` with their squares, where no variance is among them.
    """
    squared = sample.mapped(torch.square_ if in_place else torch.square)
    parameters = dict(squared.parameters)
    for name, statistic in side.statistics.items():
        if statistic.eps is None:
            # A mean is subtracted.
            parameters[name] = -parameters[name]
        else:
            # The root of this and eps is what the variance and eps were.
            parameters[name] = (sample.parameters[name] + statistic.eps).square() - statistic.eps
    return Sample(squared.inputs, parameters)
