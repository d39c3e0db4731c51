"""Holds a proof for all sizes against both sides in torch, at sizes inside what it claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import torch
from torch import Tensor

from convcheck.all_sizes.both import Both
from convcheck.errors import ConvcheckError
from convcheck.layers import Conv, ConvTranspose, Layer
from convcheck.results import SizesProof
from convcheck.sizes.patterns import Shapes
from convcheck.tracing import capture

Sizes = Mapping[str, int]

LARGEST = 4
MORE = 5
"""How many steps beyond the smallest sizes are drawn."""
TRIES = 40
ROUNDED = frozenset(("fft", "winograd"))
"""Rewrites that compute with numbers which no float64 holds."""
TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class Held:
    """The sizes at which both sides ran, and what is wrong there, if anything is."""

    sizes: tuple[Sizes, ...]
    wrong: str | None = None


def hold(name: str, layer: Layer, inputs: Shapes, both: Both, proof: SizesProof, random: Random, times: int) -> Held:
    """Run both sides on whole numbers at `times` random sizes that the proof is about."""
    ran: list[Sizes] = []
    for sizes in _drawn(proof, random):
        try:
            other = at(layer, sizes)
            shape = shape_at(layer, inputs, sizes)
            other.output_shape(shape)
        except ConvcheckError:
            # The reference raises: not claimed.
            continue
        tensors = _tensors(other, shape, random)
        outputs: dict[str, Any] = {}
        for side, run in (("reference", both.reference), ("candidate", both.candidate)):
            try:
                with torch.no_grad(), capture.quiet():
                    outputs[side] = run({key: tensor.clone() for key, tensor in tensors.items()})
            except Exception as error:
                outputs[side] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        one, two = outputs["reference"], outputs["candidate"]
        if isinstance(one, str):
            continue
        if isinstance(two, str):
            if proof.raises.candidate is None:
                return Held((*ran, sizes), f"at {dict(sizes)} the candidate raises, which is not said: {two}")
            continue
        if (wrong := _difference(name, one, two)) is not None:
            return Held((*ran, sizes), f"at {dict(sizes)} {wrong}")
        ran.append(sizes)
        if len(ran) == times:
            break
    return Held(tuple(ran), None if ran else "no sizes of those that are claimed could be run")


def _drawn(proof: SizesProof, random: Random) -> Iterator[dict[str, int]]:
    for number in range(TRIES):
        sizes = dict(proof.fixed)
        for axis, low in proof.free.items():
            step = proof.divisible.get(axis, 1)
            first = -(-low // step) * step
            # The smallest sizes come first, then any.
            sizes[axis] = first + step * random.choice((0, 0, 1, 2, 3, MORE)) if number else first
        yield sizes


def at(layer: Layer, sizes: Sizes) -> Layer:
    """Return a layer with other numbers of channels; in a grouped transposed one, `o` is a group's."""
    assert isinstance(layer, (Conv, ConvTranspose))
    into, out = sizes.get("i", layer.in_channels), sizes.get("o", layer.out_channels)
    if "o" in sizes and isinstance(layer, ConvTranspose):
        out *= layer.groups
    changed = dataclasses.replace(layer, in_channels=into, out_channels=out)
    problems = [text for _, text in changed.inconsistencies()]
    if problems:
        raise ConvcheckError(problems[0])
    return changed


def shape_at(layer: Layer, inputs: Shapes, sizes: Sizes) -> tuple[int, ...]:
    """Return the input's shape at some sizes."""
    (shape,) = inputs
    return tuple(sizes[name] for name in layer.axes(len(shape), "i"))


def _tensors(layer: Layer, shape: tuple[int, ...], random: Random) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(random.getrandbits(32))
    shapes = {"input.0": shape, **layer.parameters()}
    return {
        name: torch.randint(-LARGEST, LARGEST + 1, one, generator=generator).double() for name, one in shapes.items()
    }


def _difference(name: str, one: Tensor, two: Tensor) -> str | None:
    if one.shape != two.shape:
        return f"the shapes are {list(one.shape)} and {list(two.shape)}"
    apart = one != two
    if name in ROUNDED:
        apart = (one - two).abs() > TOLERANCE * max(1.0, float(one.abs().max()))
    if not bool(apart.any()):
        return None
    place = tuple(apart.nonzero()[0].tolist())
    return f"output {list(place)} is {one[place].item():g} and {two[place].item():g}"
