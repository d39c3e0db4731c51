"""The tensors of a checkpoint under the names that a side has for them, read one by one when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class HeldFile(Mapping[str, "Tensor"]):
    """The tensors that a side holds in a file."""

    written: str
    """What messages call it."""
    key_of: Mapping[str, str]
    """The key in the file, by the side's name for a tensor."""
    unknown: Mapping[str, str]
    """The same for those at its place of which the side knows nothing."""
    shapes: Mapping[str, Shape]
    """Of all tensors of the file, by key."""
    read: Callable[[str], Tensor]
    """Returns the tensor of a key. Raises CannotRunError if it cannot be read any more."""

    def __getitem__(self, name: str) -> Tensor:
        return self.read(self.key_of[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.key_of)

    def __len__(self) -> int:
        return len(self.key_of)

    def alike(self, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield the keys of other tensors of the same shapes, as those of another layer, in the order of `names`."""
        ours = [self.key_of[name] for name in names]
        first = ours[0]
        for other, shape in self.shapes.items():
            if other == first or shape != self.shapes[first]:
                continue
            here, there = _places(first, other)
            keys = tuple(there + key[len(here) :] for key in ours[1:] if key.startswith(here))
            fit = (self.shapes.get(key) == self.shapes[our] for key, our in zip(keys, ours[1:], strict=False))
            if len(keys) == len(ours) - 1 and all(fit):
                yield (other, *keys)


def _places(first: str, second: str) -> tuple[str, str]:
    """Return what two keys have before the words in which they end alike."""
    ours, theirs = first.split("."), second.split(".")
    while ours and theirs and ours[-1] == theirs[-1]:
        ours.pop()
        theirs.pop()
    return ".".join(ours), ".".join(theirs)
