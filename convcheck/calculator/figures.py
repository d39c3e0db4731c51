"""What is calculated without torch: values that travel upwards beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from fractions import Fraction

BYTES: Mapping[str, int] = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Of one value, by dtype."""

FLOPS = (
    "FLOPs = 2 * MACs: a multiplication and an addition each; the bias is not counted, as in torch's FlopCounterMode"
)


@dataclass(frozen=True)
class LayerShape:
    """One layer of the shape calculator. `dropped`: trailing input positions never read, one number an axis, or None
    where lengths are formulas that do not tell.

    `input` is one shape, or the shapes of all inputs where there are several. `params` are `weight` and `bias`, and
    `activation` is the output in bytes. `receptive_field` and `jump` count positions of the chain's input, one number
    an axis, as `ReceptiveField` has them. `name` is the layer's path in a print of a model,
    `layers` are those of a case's chain, and `explained` the formulas of the output, where they were asked for.
    """

    case: str | None
    layer: str
    input: Shape | Shapes
    output: Shape
    params: int
    macs: int
    dropped: Shape | None
    weight: int = 0
    bias: int = 0
    flops: int = 0
    activation: int = 0
    receptive_field: tuple[int | None, ...] = ()
    jump: tuple[Fraction | None, ...] = ()
    name: str | None = None
    layers: tuple[LayerShape, ...] = ()
    explained: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrintedLayer:
    """A layer of a print of which no shape is known, since what comes before it is not; other fields as `LayerShape`.

    `params`, `weight` and `bias` are None where the layer itself cannot be read.
    """

    layer: str
    name: str | None
    params: int | None
    weight: int | None
    bias: int | None
    case: None = None
    input: None = None
    output: None = None
    macs: None = None
    dropped: None = None
    flops: None = None
    activation: None = None
    receptive_field: tuple[int | None, ...] = ()
    jump: tuple[Fraction | None, ...] = ()
    layers: tuple[LayerShape, ...] = ()
    explained: tuple[str, ...] = ()


Row = LayerShape | PrintedLayer


@dataclass(frozen=True)
class Total:
    """A chain of layers as a whole. `largest_activation` is the largest output of a layer, in bytes.

    It is None where lengths are formulas of which none is the largest for every value of the names in them. The other
    fields are those of `LayerShape`; None is what cannot be summed, since some layers are not known.
    """

    params: int | None
    weight: int | None
    bias: int | None
    macs: int | None
    flops: int | None
    largest_activation: int | None
    dropped: Shape | None
    receptive_field: tuple[int | None, ...]
    jump: tuple[Fraction | None, ...]
