"""How one parameter of a candidate is made of a reference's parameters, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor

Parameters = Mapping[str, "Tensor"]


class Region(NamedTuple):
    """The entries of a tensor between two places along one axis; `before` says how its axes were laid out for that."""

    before: tuple[object, ...]
    axis: str
    start: int
    stop: int
    length: int


WHOLE = Region((), "", 0, 1, 1)
"""All entries."""


def tile(regions: Sequence[Region]) -> bool:
    """Tell whether regions of one tensor are all of it, and none overlaps another, as far as it can be seen."""
    if len({(region.before, region.axis) for region in regions}) != 1:
        return False
    end = 0
    for region in sorted(regions, key=lambda region: region.start):
        if region.start != end:
            return False
        end = region.stop
    return end == regions[0].length


class ParameterMove(ABC):
    """The way of numbers to one parameter of the candidate. `str` writes it for a reader."""

    target: str

    if TYPE_CHECKING:
        # A field of some subclasses; a property that they inherit would stand in its way.
        @property
        def sources(self) -> tuple[str, ...]:
            """The tensors of the reference that it needs."""
            raise NotImplementedError

    @property
    def merges(self) -> bool:
        """Whether several numbers of the reference become one, so that there is no way back."""
        return False

    @property
    def rounds(self) -> bool:
        """Whether numbers change on the way, so that they are rounded in a narrow dtype."""
        return self.merges

    @property
    def roundings(self) -> int:
        """How often a number is rounded on the way, beside where it is read."""
        return int(self.rounds)

    @property
    def degree(self) -> int:
        """The degree of the candidate's parameter as a polynomial in the reference's."""
        return 1

    @property
    def bits(self) -> int | None:
        """How many bits stand behind the point, at most, where the reference's numbers are whole; None if any may."""
        return 0

    def positive(self) -> ParameterMove:
        """Return the move with the absolute values of its constants, by which nothing cancels."""
        return self

    def regions(self) -> Sequence[tuple[str, Region]] | None:
        """Return what of which sources becomes all entries of the parameter, one each; None if they are not that."""
        return None

    @abstractmethod
    def result(self) -> Shape:
        """Return the shape of the candidate's parameter. Raises PatternError if a pattern does not fit."""

    @abstractmethod
    def forward(self, parameters: Parameters) -> Tensor:
        """Return the candidate's parameter from the reference's. Differentiable."""

    @abstractmethod
    def origins(self, tensor: Tensor) -> dict[str, Tensor]:
        """Return what the reference's parameters get back, by name: what is missing is zero.

        Raises:
            NoWayBackError: the candidate's parameter has values that come from no parameter of the reference.
        """
