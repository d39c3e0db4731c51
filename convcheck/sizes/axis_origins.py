"""Where the positions along a tensor's axes come from in the input of a chain of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from convcheck.sizes.paths import Path
from convcheck.sizes.windows import Step, TransposedWindow

AxisOrigin = tuple[int, Path]
"""An axis of the chain's input, and the steps by which its positions became those of another axis."""

Axis = tuple[AxisOrigin, ...]
"""Of what the positions along one axis are positions: of no axis of the input where it holds features, of several where
axes were joined."""


@dataclass
class AxisOrigins:
    """Where every axis comes from, and of which axes of the input every output position reads all.

    `spatial` are the axes of the input that hold positions, and `unknown` those that lost their trace.
    """

    axes: list[Axis]
    spatial: frozenset[int] = frozenset()
    whole: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)

    def step_along(self, end: int, steps: Sequence[Step]) -> None:
        """Take a step along each of the axes that end before `end`."""
        for axis, step in zip(range(end - len(steps), end), steps, strict=True):
            self.step(axis, step)

    def step(self, axis: int, step: Step) -> None:
        """Let the positions along an axis become what a layer makes of them along it."""
        shift = step.padding if isinstance(step, TransposedWindow) else step.before
        if step.kernel == step.stride == 1 and not shift:
            return
        if len(self.axes[axis]) > 1 or not isinstance(step.stride, int):
            # Neighbours along joined axes need not be neighbours along any of them, and a block may be a formula.
            self.forget(axis)
        self.axes[axis] = tuple((origin, path.then(step)) for origin, path in self.axes[axis])

    def read_all(self, axis: int) -> None:
        """Let every output read all positions along an axis."""
        self.whole |= {origin for origin, _ in self.axes[axis]}

    def mix(self, axis: int) -> None:
        """Let every output read all positions along an axis, which then holds features."""
        self.read_all(axis)
        self.axes[axis] = ()

    def forget(self, axis: int) -> None:
        """Give up what the positions along an axis are."""
        self.unknown |= {origin for origin, _ in self.axes[axis]}
        self.axes[axis] = ()

    def joined(self, parts: Iterable[Axis]) -> Axis:
        """Return the axis that several become: one of positions where each of them is, else one of features."""
        axes = list(parts)
        if len(axes) == 1:
            return axes[0]
        joined = tuple(origin for axis in axes for origin in axis)
        if all(any(origin in self.spatial for origin, _ in axis) for axis in axes):
            return joined
        self.whole |= {origin for origin, _ in joined if origin in self.spatial}
        return tuple(origin for origin in joined if origin[0] not in self.spatial)
