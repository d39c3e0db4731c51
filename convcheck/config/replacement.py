"""A candidate of the user's own: a layer in place of another one, and where its weights come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from convcheck.config.sources import Source
from convcheck.errors import CannotRunError, PatternError, ShapeError, did_you_mean, shown
from convcheck.layers import Layer, accept
from convcheck.sizes.patterns import Group, Shape, Shapes
from convcheck.sizes.relayouts import Rearrangement, Relayout, parse_relayout

# What is found wrong in a config is of use there alone, and YAML takes its time to load.
if TYPE_CHECKING:
    from convcheck.config.nodes import Problem


MOST_VALUES = 8
"""How many lengths are named that an axis may have."""


class MapFunction(NamedTuple):
    """A function from the reference's state dict to the candidate's, and what messages call it."""

    call: Callable[[dict[str, Any]], object]
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Replacement:
    """A layer that is claimed to compute what another one does.

    `map` names sources by candidate parameter; what it leaves out comes from the parameter of the same name. `layout`
    is how the candidate's output is laid out as the reference's; as it is if there is none. `map_by` makes all of the
    candidate's tensors, and stands in place of `map`. Where nothing is said of a mapping, and the reference has no such
    tensors, one is looked for; `solved` says that it has been found, and `solved_layout` in which other
    layout of the output both sides are then proved to be equal.
    """

    layer: Layer
    map: Mapping[str, Source] = field(default_factory=dict)
    layout: Rearrangement | None = None
    map_by: MapFunction | None = None
    solved: bool = False
    solved_layout: Rearrangement | None = None

    def lacks_map(self, reference: Layer) -> bool:
        """Tell whether a mapping has to be found: none is given, and names or shapes of the candidate's differ."""
        has = tensors_of(reference)
        differ = any(has.get(name) != shape for name, shape in tensors_of(self.layer).items())
        return differ and not self.map and self.map_by is None

    def sources(self) -> dict[str, Source]:
        """Return the source of every parameter and statistic of the candidate, by its name."""
        return {name: self.map.get(name, Source(name)) for name in tensors_of(self.layer)}

    def output_shape(self, inputs: Shapes) -> Shape:
        """Return the shape of the candidate's output, laid out.

        Raises:
            ShapeError: the candidate cannot take the inputs.
            PatternError: the layout does not fit its output.
        """
        shape = self.layer.output_shape(*inputs)
        return shape if self.layout is None else laid_out(self.layout, shape)

    def layout_problem(self, inputs: Shapes) -> str | None:
        """Say why the layout cannot be that of the candidate's output; None if it can, or the candidate cannot run."""
        if self.layout is not None:
            try:
                self.output_shape(inputs)
            except PatternError as error:
                return str(error)
            except (CannotRunError, ShapeError):
                pass
        return None


def laid_out(layout: Rearrangement, shape: Shape) -> Shape:
    """Return the shape of an output of `shape` after a rearrangement. Raises PatternError if it does not fit."""
    if len(shape) == len(layout.pattern.source):
        for group, length in zip(layout.pattern.source, shape, strict=True):
            _check_lengths(group, length, dict(layout.lengths))
    return Relayout((layout,)).result(shape, {})


def _check_lengths(group: Group, length: int, lengths: Mapping[str, int]) -> None:
    """Check the lengths that are written for axes of an output's axis, which is as long as it is.

    Raises:
        PatternError: they do not make it; with those that would do.
    """
    written = {axis: lengths[axis] for axis in group if axis in lengths}
    made = math.prod(written.values())
    is_open = len(written) < len(group)
    if length == made or not written or (is_open and length % made == 0):
        return
    legal = "".join(
        f"; {axis} may be {_values(length * known // made, known, is_open=is_open)}"
        for axis, known in written.items()
        if length % (made // known) == 0
    )
    spelt = ", ".join(f"{axis}={known}" for axis, known in written.items())
    raise PatternError(f"{length} is not ({' '.join(group)}) with {spelt}{legal}")


def _values(rest: int, written: int, *, is_open: bool) -> str:
    """Write the lengths of an axis that is, or divides, `rest`: of many those next to the one that was written."""
    values = [value for value in range(1, rest + 1) if rest % value == 0] if is_open else [rest]
    *first, last = map(str, sorted(sorted(values, key=lambda value: abs(value - written))[:MOST_VALUES]))
    return f"{', '.join(first)} or {last}" if first else last


def tensors_of(layer: Layer) -> dict[str, Shape]:
    """Return the shapes of a layer's parameters and statistics, by torch's names for them."""
    return {**layer.parameters(), **{name: statistic.shape for name, statistic in layer.statistics().items()}}


def parse_layout(text: object) -> Rearrangement:
    """Read how an output is laid out, such as `b (h w) o -> b o h w, h=14`.

    Raises:
        PatternError: it is no einops pattern, or steps follow it.
    """
    first, *others = parse_relayout(text).parts
    if others or not isinstance(first, Rearrangement):
        raise PatternError(f"{shown(text)}: an output is laid out by one pattern, without steps")
    return first


def replacement_problems(layer: Layer, inputs: Shapes, replacement: Replacement) -> Iterator[Problem]:
    """Yield what makes it impossible to compare a replacement with a layer."""
    candidate = replacement.layer
    # Code of the user's own is run when it is proved: what it raises is then told of this claim alone.
    if not candidate.IS_USER_CODE:
        try:
            accept(candidate, inputs)
        except ShapeError as error:
            yield ("candidate",), str(error)
            return
        try:
            replacement.output_shape(inputs)
        except PatternError as error:
            yield ("layout",), str(error)
    yield from _map_problems(layer, replacement)


def _map_problems(layer: Layer, replacement: Replacement) -> Iterator[Problem]:
    if replacement.map_by is not None:
        if replacement.map:
            yield ("map",), f"{replacement.map_by} makes all parameters, so that nothing is left to map"
        return
    if replacement.lacks_map(layer):
        # It is looked for when it is proved.
        return
    has, wants = tensors_of(layer), tensors_of(replacement.layer)
    for name in replacement.map:
        if name not in wants:
            yield ("map", name), f"the candidate has no such parameter; {did_you_mean(name, wants)}"
    known = layer.axis_sizes()
    for name, source in replacement.sources().items():
        where = ("map", name) if name in replacement.map else ("candidate",)
        missing = [used for used in source.names() if used not in has]
        if missing:
            hint = did_you_mean(missing[0], has) if has else "the reference has none"
            if has and name not in replacement.map:
                alike = [known for known in has if known.rpartition(".")[2] == name.rpartition(".")[2]]
                like = alike[0] if len(alike) == 1 else "SOURCE"
                hint = f"map it: --map '{name}={like}', or '{name}: {like}' under 'map'"
            yield where, f"{name} gets nothing: the reference has no parameter {shown(missing[0])}; {hint}"
            continue
        try:
            made = source.shape(has, known, wants[name])
        except PatternError as error:
            yield where, str(error)
            continue
        if made != wants[name] and name not in replacement.map:
            yield (
                ("candidate",),
                f"{name} is {list(wants[name])} here and {list(made)} in the reference; `map` says how it is laid out",
            )
