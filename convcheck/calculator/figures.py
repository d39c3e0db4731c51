"""What is calculated without torch: values that travel upwards beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.results import Sides
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
class Total:
    """A chain of layers as a whole. `largest_activation` is the largest output of a layer, in bytes.

    It is None where lengths are formulas of which none is the largest for every value of the names in them. The other
    fields are those of `LayerShape`.
    """

    params: int
    weight: int
    bias: int
    macs: int
    flops: int
    largest_activation: int | None
    dropped: Shape | None
    receptive_field: tuple[int | None, ...]
    jump: tuple[Fraction | None, ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter. The fans are torch.nn.init's, which has none for fewer than two axes.

    `init` is how torch fills it when the layer is made: `uniform` between -`bound` and `bound`, `normal` around 0 with
    `std`, `ones` or `zeros`; None where that is left to whoever wrote the module.
    """

    name: str
    shape: Shape
    count: int
    fan_in: int | None
    fan_out: int | None
    init: str | None
    bound: float | None
    std: float | None = None


@dataclass(frozen=True)
class Weights:
    """Parameters of both sides of one claim; the candidate's are None where it was refused, `reasons` say why."""

    case: str
    layer: str
    rewrite: str | None
    params: Sides[int | None]
    weights: Sides[Mapping[str, Shape] | None]
    one_to_one: bool
    transplant: Mapping[str, str]
    reasons: tuple[str, ...] = ()
    bytes: Sides[Mapping[str, int] | None] = Sides(None, None)
    """By dtype."""
    parameters: Sides[tuple[Parameter, ...] | None] = Sides(None, None)
    same_start: bool | None = None
    """Whether both sides, as torch makes them, are drawn from one distribution of functions; None if one is not torch's
    to fill, or there is nothing to draw."""

    @property
    def reason(self) -> str | None:
        """All reasons as one text; None where there is none."""
        return "; ".join(self.reasons) or None
