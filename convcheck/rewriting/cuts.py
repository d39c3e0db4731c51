"""How a pattern cuts an input into patches, of which the windows of a convolution see one each. Imports no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

from convcheck.sizes.patterns import Group, Pattern, Shape


class Cut(NamedTuple):
    """How an input is cut into patches `n0, n1, ...` of `k0, k1, ...`."""

    inputs: Group
    """The axes of channels, the first of which is i."""
    kernel: Shape
    features: Group
    """The order of channels i and k0, k1, ... in what the layer takes; an axis that is not cut has no k."""
    image: Pattern | None
    """From the input to `[b, i, *space]`; None where it is that already."""
    tokens: Pattern
    """From the convolution's output to the layer's, whose features are o."""
    sizes: Mapping[str, int]
    """The lengths of all axes."""

    @property
    def channels(self) -> int:
        """How many channels the convolution takes."""
        return math.prod(self.sizes[name] for name in self.inputs)


def cut_of(pattern: Pattern, sizes: Mapping[str, int], features: int) -> Cut | None:
    """Return how a pattern cuts its input into patches for a layer on axis `features`; None if it does something else.

    A place and what is inside of a patch stand behind each other in one axis of the input, as in `(h p)`. The first
    axis is of the batch.
    """
    inner = pattern.target[features] if pattern.target else ()
    names = _image_names(pattern, inner) or _names(pattern, inner)
    if names is None:
        return None
    source, target = (
        tuple(tuple(names[axis] for axis in group) for group in side) for side in (pattern.source, pattern.target)
    )
    lengths = {names[axis]: length for axis, length in sizes.items()}
    batch, inputs = (tuple(name for name in names.values() if name[0] == letter) for letter in "bi")
    places = [name for name in names.values() if name[0] == "n"]
    patches = [f"k{name[1:]}" for name in places]
    laid = (batch, inputs, *((n, k) if k in lengths else (n,) for n, k in zip(places, patches, strict=True)))
    return Cut(
        inputs,
        tuple(lengths.get(name, 1) for name in patches),
        target[features],
        None if source == laid else Pattern(source, laid),
        Pattern(
            (batch, ("o",), *((name,) for name in places)),
            tuple(("o",) if group == target[features] else group for group in target),
        ),
        lengths,
    )


def _image_names(pattern: Pattern, inner: Group) -> dict[str, str] | None:
    """Name the axes of `[b, i, *space]`, of which patches take all channels; None where it is something else."""
    space = pattern.source[2:]
    if not 1 <= len(space) <= 3 or [len(group) for group in pattern.source[:2]] != [1, 1]:
        return None
    names = {pattern.source[0][0]: "b", pattern.source[1][0]: "i"}
    for number, group in enumerate(space):
        if len(group) not in (1, 2):
            return None
        names |= dict(zip(group, (f"n{number}", f"k{number}"), strict=False))
    return names if {names[axis] for axis in inner} == {name for name in names.values() if name[0] in "ik"} else None


def _names(pattern: Pattern, inner: Group) -> dict[str, str] | None:
    """Name the axes of any input, of which one to three are cut."""
    names: dict[str, str] = {}
    batches, channels, places = (itertools.count() for _ in range(3))
    for group in pattern.source:
        for axis, following in zip(group, (*group[1:], ""), strict=True):
            if axis in names:
                continue
            if axis in inner:
                names[axis] = _spelt("i", next(channels))
            elif following in inner and names:
                place = next(places)
                names |= {axis: f"n{place}", following: f"k{place}"}
            else:
                names[axis] = _spelt("b", next(batches))
    return names if 1 <= next(places) <= 3 else None


def _spelt(letter: str, number: int) -> str:
    return f"{letter}{number or ''}"
