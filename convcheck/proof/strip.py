"""A strip of a convolution: some of its windows, and what they meet.

A window is a position of the output, or, where the convolution is transposed, of the input. Along an axis the window w
meets the places `w * stride - padding + dilation * tap` of the other of the two.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Strip(NamedTuple):
    """Some entries of a batch, and some windows along an axis, which meet `places` along it: start and stop of each."""

    axis: int
    entries: tuple[int, int]
    windows: tuple[int, int]
    places: tuple[int, int]

    def at_windows(self, tensor: Tensor) -> Tensor:
        """Return the part of a tensor that has a position for every window."""
        return _narrow(_narrow(tensor, 0, *self.entries), self.axis, *self.windows)

    def at_places(self, tensor: Tensor) -> Tensor:
        """Return the part of the other tensor that the windows meet; what lies outside of it is 0."""
        start, _, length = self._overlap(tensor)
        inside = _narrow(_narrow(tensor, 0, *self.entries), self.axis, start, start + length)
        if length == self.places[1] - self.places[0]:
            return inside
        shape = list(inside.shape)
        shape[self.axis] = self.places[1] - self.places[0]
        padded = inside.new_zeros(shape)
        self._inside(padded, tensor).copy_(inside)
        return padded

    def add(self, total: Tensor, values: Tensor) -> None:
        """Add values at the places to a tensor that has them; what lies outside of it is lost."""
        start, _, length = self._overlap(total)
        part = _narrow(_narrow(total, 0, *self.entries), self.axis, start, start + length)
        part += self._inside(values, total)

    def _inside(self, values: Tensor, tensor: Tensor) -> Tensor:
        """Return those of values at all places that a tensor has."""
        _, first, length = self._overlap(tensor)
        return _narrow(values, self.axis, first, first + length)

    def _overlap(self, tensor: Tensor) -> tuple[int, int, int]:
        """Return where a tensor and the places begin to overlap: the index in either; and how many they share."""
        start = max(self.places[0], 0)
        length = min(self.places[1], tensor.shape[self.axis]) - start
        return (start, start - self.places[0], length) if length > 0 else (0, 0, 0)


def _narrow(tensor: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return tensor.narrow(axis, start, stop - start)
