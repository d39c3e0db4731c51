"""Parameters of both sides of a claim, as `params` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convcheck.results import Sides
from convcheck.sizes.patterns import Shape


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
