"""A layer backwards: the input shapes from which an output of a given shape comes.

A set of shapes is a list of boxes, and a box holds the possible lengths of every axis, each independent of the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from convcheck.calculator.inverse.forms import Form, Forms, factors_of, maps_of
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import ANY, Lengths, divided, factors, holds, only, scaled, values, without
from convcheck.errors import ConvcheckError, UsageError
from convcheck.layers.axis_map import AxisMap
from convcheck.layers.base import Layer
from convcheck.sizes.patterns import Group

Box = tuple[Lengths, ...]

_FEW = 2
"""Shapes that are written out."""


class NoInputError(ConvcheckError):
    """No input gives this output, because of this."""


class CoupledError(ConvcheckError):
    """Lengths depend on one another, so one of them cannot be left open."""


def inputs_of(layer: Layer, box: Box, before: Forms | None) -> list[Box]:
    """Return every input shape from which the layer makes an output in `box`, as boxes that are not empty.

    `before` is what the layers before it can make, where that is known.

    Raises:
        NoInputError: there is none; with the reason.
        UsageError: this kind cannot be answered backwards.
        TooManyError: they are too many to be listed.
    """
    maps = [(axes, form) for axes, form in maps_of(layer, before) if len(axes.target) == len(box)]
    if not maps:
        raise NoInputError(_other_rank(layer, len(box)))
    if before is None and len(maps) > 1:
        raise UsageError(
            f"{layer} merges axes, and how many is not told by the output; put the layer that makes its input before it"
        )
    inputs: dict[Box, None] = {}
    reasons = []
    for axes, form in maps:
        try:
            inputs |= dict.fromkeys(_inputs(layer, axes, box, form))
        except NoInputError as none:
            reasons.append(none)
    if not inputs:
        raise reasons[0]
    return list(inputs)


def _inputs(layer: Layer, axes: AxisMap, box: Box, form: Form) -> list[Box]:
    given = factors_of(axes, form)
    rows = []
    for group, lengths in zip(axes.target, box, strict=True):
        split = [_back(axes, part) for part in _split(group, lengths, axes, given)]
        rows.append([part for part in split if () not in part.values()])
        if not rows[-1]:
            raise NoInputError(f"{layer.kind} gives {_legal(group, lengths, axes, given)}")
    boxes = []
    for row in itertools.product(*rows):
        named = {name: lengths for part in row for name, lengths in part.items()}
        inputs = (tuple(_joined(group, part, axes.known) for group in axes.source) for part in _several(axes, named))
        boxes += [taken for taken in inputs if () not in taken]
    if not boxes:
        why = "takes more than one value per channel" if axes.several else "gives no such output"
        raise NoInputError(f"{layer.kind} {why}: {', '.join(map(say, box))}")
    return boxes


def _split(group: Group, lengths: Lengths, axes: AxisMap, given: Mapping[str, int]) -> Iterator[dict[str, Lengths]]:
    """Yield the lengths of those factors of an output's axis that are not known."""
    known = math.prod(axes.known.get(name, 1) for name in group)
    names = [name for name in group if name not in axes.known]
    if not names:
        yield from ({},) if holds(lengths, known) else ()
    elif len(names) == 1:
        same = axes.merges and names[0] not in axes.functions and names[0] in given
        if not same or holds(lengths, known * given[names[0]]):
            yield {names[0]: divided(lengths, known)}
    elif lengths is ANY:
        raise CoupledError
    else:
        among = [None if name in axes.functions else given.get(name) for name in names]
        for product in values(divided(lengths, known) or ()):
            for row in factors(product, among):
                yield dict(zip(names, map(only, row), strict=True))


def _back(axes: AxisMap, part: Mapping[str, Lengths]) -> dict[str, Lengths]:
    """Return the input's factors of which the layer makes these."""
    back = {name: Monotone(f.of, f.least, f.most).before for name, f in axes.functions.items()}
    return {name: back[name](lengths) if name in back else lengths for name, lengths in part.items()}


def _several(axes: AxisMap, part: dict[str, Lengths]) -> Iterator[dict[str, Lengths]]:
    """Yield the factors without the case in which all of `several` are 1."""
    if not axes.several or any(part[name] is ANY for name in axes.several):
        yield part
        return
    for number, name in enumerate(axes.several):
        # The first of them that is not 1.
        ones = axes.several[:number]
        rest = without(part[name], 1)
        if rest and all(holds(part[one], 1) for one in ones):
            yield {**part, **dict.fromkeys(ones, only(1)), name: rest}


def _joined(group: Group, part: Mapping[str, Lengths], known: Mapping[str, int]) -> Lengths:
    """Return the lengths of an axis of the input, of which one factor at most is not known."""
    number = math.prod(known.get(name, 1) for name in group)
    free = [name for name in group if name not in known]
    return scaled(part[free[0]], number) if free else only(number)


def _legal(group: Group, lengths: Lengths, axes: AxisMap, given: Mapping[str, int]) -> str:
    """Say which lengths an axis of the output can have."""
    if len(group) == 1:
        (name,) = group
        if name in axes.known:
            words = name in ("channels", "features")
            number = axes.known[name]
            return f"{f'{number} {name}' if words else f'{name} = {number}'}, not {say(lengths)}"
        return f"{name} = {say(lengths)} for no length of its input"
    if any(name in axes.functions for name in group):
        return f"{say(lengths)} places of windows for no {' and '.join(group)} of its input"
    number = math.prod(given.get(name, 1) for name in group)
    if all(name in given for name in group):
        return f"{number} values here, not {say(lengths)}"
    wanted = lengths[0][0] if lengths else 0
    near = f"{wanted // number * number} or " if wanted > number else ""
    return f"multiples of {number} here, such as {near}{-(-wanted // number) * number}, not {say(lengths)}"


def _other_rank(layer: Layer, rank: int) -> str:
    """Say which outputs there are in place of one of `rank` axes."""
    maps = [axes for axes, _ in maps_of(layer, None)]
    if len(maps) > _FEW or layer.ANY_SHAPE:
        return f"{layer} gives no output of {rank} axes"
    legal = [", ".join(" * ".join(_word(name, axes) for name in group) for group in axes.target) for axes in maps]
    return f"{layer.kind} gives {' or '.join(f'[{shape}]' for shape in legal)}, not {rank} axes"


def _word(name: str, axes: AxisMap) -> str:
    if name in axes.known:
        return str(axes.known[name])
    return name.upper() if len(name) == 1 else name


def say(lengths: Lengths) -> str:
    """Write lengths for a reason."""
    if lengths is None:
        return "any length"
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in lengths[:8]) + (
        ", ..." if len(lengths) > 8 else ""
    )
