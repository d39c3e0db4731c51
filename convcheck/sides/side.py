"""One side of a claim: a function of inputs, parameters and statistics, and the facts that evidence needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from einops import EinopsError
from torch import Tensor, nn

from convcheck.errors import CannotRunError
from convcheck.layers import Layer, Roundings, Sequential, Statistic
from convcheck.modules.build import build
from convcheck.sides.called import Places, call, places_of
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Group, Shape, Shapes


@contextmanager
def torch_may_refuse() -> Iterator[None]:
    """Turn what torch raises when it cannot run something into a CannotRunError. Other errors pass through."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, (EinopsError, RecursionError)):
            raise
        lines = str(error).strip().splitlines()
        raise CannotRunError(lines[0] if lines else type(error).__name__) from None


@dataclass(frozen=True)
class Stage:
    """One module of a chain: the prefix of its parameters, and how it rounds."""

    prefix: str
    roundings: Roundings


@dataclass(frozen=True)
class Side:
    """A module as a function of its inputs, parameters and statistics. A run never uses its tensors."""

    name: str
    """What messages call it, such as `MultiheadAttention`."""
    module: nn.Module
    inputs: Shapes
    parameters: Mapping[str, Shape]
    degree: int | None
    """The degree of an output as a polynomial in inputs, parameters and statistics; None if it is none."""
    roundings: Roundings = field(default_factory=Roundings)
    statistics: Mapping[str, Statistic] = field(default_factory=dict)
    boolean_inputs: frozenset[int] = frozenset()
    mask_inputs: frozenset[int] = frozenset()
    whole_inputs: Mapping[int, int] = field(default_factory=dict)
    """The inputs of whole numbers that choose among rows, by number, and how many rows there are."""
    output_shape: Shape = ()
    """The output's shape, as predicted from numbers alone."""
    output_axes: tuple[str, ...] = ()
    """A name for every axis of the output."""
    axis_periods: Mapping[str, int] = field(default_factory=dict)
    """After how many outputs along an axis the pattern of inputs that they read repeats, where it does."""
    parameter_axes: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)
    """The axes of every parameter by name, such as `("g", "o"), ("i",), ("kh",), ("kw",)`."""
    axis_sizes: Mapping[str, int] = field(default_factory=dict)
    """The lengths of axes that the shape of a parameter alone does not tell."""
    stages: tuple[Stage, ...] = ()
    """The modules of a chain, each of which is affine in its input; none where it is no chain."""
    untested: tuple[str, ...] = ()
    """What no input of these shapes could show of a wrong candidate."""
    gain: float = 0.0
    """A bound of |error| / (u * M^2) where outputs land next to integers, all numbers being at most M; 0 where sums of
    integers are exact."""
    of_batch: bool = False
    """Whether the inputs are a part of a batch, which stands for all of it."""
    transform_error: Callable[[Sample], Tensor] | None = None
    """A bound of |error| / u of every output, `[*output]` or what broadcasts to it, where a transform is on the way."""

    @cached_property
    def memory(self) -> dict[Hashable, object]:
        """What was computed of this very side; one that is changed begins anew."""
        return {}

    def run(self, sample: Sample) -> Tensor:
        """Return the output at a sample. Raises CannotRunError if torch cannot run it."""
        with torch_may_refuse():
            return call(self.module, sample.parameters, sample.inputs, self._places)

    @cached_property
    def _places(self) -> Places:
        return places_of(self.module)


def side_of_layer(layer: Layer, shapes: Shapes, module: nn.Module | None = None) -> Side:
    """Return a layer as a side, with inputs of `shapes`; `module` computes it, one that is built for it by default."""
    chain = layer.layers if isinstance(layer, Sequential) else ()
    return Side(
        name=layer.kind,
        module=build(layer) if module is None else module,
        inputs=shapes,
        parameters=layer.parameters(),
        degree=layer.degree(),
        roundings=layer.roundings(),
        statistics=layer.statistics(),
        boolean_inputs=layer.boolean_inputs(),
        mask_inputs=layer.mask_inputs(),
        output_shape=layer.output_shape(*shapes),
        output_axes=layer.output_axes(*shapes),
        axis_periods=layer.axis_periods(),
        parameter_axes={name: layer.parameter_axes(name) for name in layer.parameters()},
        axis_sizes=layer.axis_sizes(),
        stages=tuple(Stage(f"{number}.", inner.roundings()) for number, inner in enumerate(chain)),
        untested=tuple(layer.untested(*shapes)),
    )
