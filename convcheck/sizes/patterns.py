"""Einops patterns as values: read once, applied to shapes here, and to tensors by einops itself.

A pattern such as `o i kh kw -> o (i kh kw)` moves a weight. Read backwards it moves it back. This module
knows only sizes, so the shape of a transplanted weight is known before torch is imported.
"""

from __future__ import annotations

import keyword
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from convcheck.errors import PatternError, multiples, shown
from convcheck.sizes.limits import MAX_SHORT_TEXT

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
"""The shapes of all inputs of a layer, of which most have just one."""
Group = tuple[str, ...]

SPACE_AXES: Mapping[int, Group] = {0: (), 1: ("l",), 2: ("h", "w"), 3: ("t", "h", "w")}
KERNEL_AXES: Mapping[int, Group] = {0: (), 1: ("kl",), 2: ("kh", "kw"), 3: ("kt", "kh", "kw")}

# Names of einops' own arguments, beside which lengths are handed over by name.
_RESERVED = frozenset(("axis", "pattern", "reduction", "tensor"))


_INFERRED = ("o", "i", "h", "w", "l", "t")
"""Axes that are left to be inferred before others in a group."""


@dataclass(frozen=True)
class Pattern:
    """`source -> target`, each a row of groups; a group is the axes in one pair of parentheses.

    An empty group is an axis of length 1, written `1` or `()`.
    """

    source: tuple[Group, ...]
    target: tuple[Group, ...]

    def __str__(self) -> str:
        return f"{_write(self.source)} -> {_write(self.target)}"

    def without(self, axis: str) -> Pattern:
        """Leave an axis out of both sides, as one may where its length is 1."""
        source, target = (
            tuple(tuple(a for a in group if a != axis) for group in side) for side in (self.source, self.target)
        )
        return Pattern(source, target)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Axes that only the target has: the values are repeated along them."""
        have = set(_axes(self.source))
        return tuple(axis for axis in _axes(self.target) if axis not in have)

    def sizes(self, shape: Shape, axis_lengths: Mapping[str, int]) -> dict[str, int]:
        """Return the length of every axis when a tensor of `shape` stands on the left.

        `axis_lengths` gives the lengths that the shape alone does not: the parts of a group, repeated axes.

        Raises:
            PatternError: the ranks differ, a length contradicts `axis_lengths`, or a length stays unknown.
        """
        if len(shape) != len(self.source):
            raise PatternError(
                f"'{_write(self.source)}' has {len(self.source)} axes, but the tensor is {list(shape)}, "
                f"which has {len(shape)}"
            )
        sizes: dict[str, int] = {}
        for group, length in zip(self.source, shape, strict=True):
            sizes.update(_split(group, length, axis_lengths))
        for axis in self.repeated:
            if axis not in axis_lengths:
                raise PatternError(f"'{axis}' stands on the right only, and its length is not known")
            sizes[axis] = axis_lengths[axis]
        return sizes

    def needed(self, axis_lengths: Mapping[str, int]) -> dict[str, int]:
        """Return those lengths that no tensor tells: of all axes of a group but one, and of repeated ones."""
        unknown = [next((axis for axis in group if axis not in axis_lengths), "") for group in self.source if group]
        inferred = {axis or infer(group) for axis, group in zip(unknown, filter(None, self.source), strict=True)}
        needed = (axis for axis in (*self.repeated, *_axes(self.source)) if axis not in inferred)
        return {axis: axis_lengths[axis] for axis in needed}

    def shape(self, shape: Shape, axis_lengths: Mapping[str, int]) -> Shape:
        """Return the target's shape for a source of `shape`; raises as `sizes` does."""
        sizes = self.sizes(shape, axis_lengths)
        return tuple(math.prod(sizes[axis] for axis in group) for group in self.target)

    def copies(self, shape: Shape, axis_lengths: Mapping[str, int]) -> int:
        """Return how often each entry of the source stands in the target: 1 when nothing is repeated."""
        sizes = self.sizes(shape, axis_lengths)
        return math.prod(sizes[axis] for axis in self.repeated)


def parse(text: object) -> Pattern:
    """Read `left -> right`.

    Raises:
        PatternError: the text is no einops pattern, names an axis twice, or loses one on the way.
    """
    if not isinstance(text, str):
        raise PatternError(f"{shown(text)} is no einops pattern; write a text such as 'o i kh kw -> o (i kh kw)'")
    if len(text) > MAX_SHORT_TEXT:
        raise PatternError(f"{shown(text)} is a pattern of {len(text)} characters; {MAX_SHORT_TEXT} at most are read")
    return _parse(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Pattern:
    left, arrow, right = text.partition("->")
    if not arrow or "->" in right:
        raise PatternError(f"{shown(text)} needs one '->' between what is and what shall be")
    pattern = Pattern(_read(left, text), _read(right, text))
    lost = sorted(set(_axes(pattern.source)) - set(_axes(pattern.target)))
    if lost:
        raise PatternError(f"{shown(text)} loses {' and '.join(lost)}: every entry has to go somewhere")
    return pattern


def parse_order(text: object) -> Group:
    """Read a row of axis names such as `kh kw i`. Raises PatternError if it is anything else."""
    if not isinstance(text, str):
        raise PatternError(f"{shown(text)} is no order; write a row of axis names such as 'kh kw i'")
    if len(text) > MAX_SHORT_TEXT:
        raise PatternError(f"{shown(text)} is an order of {len(text)} characters; {MAX_SHORT_TEXT} at most are read")
    groups = _read(text, text)
    if any(len(group) != 1 for group in groups):
        raise PatternError(f"{shown(text)} is not a row of axis names; write for example 'kh kw i'")
    return tuple(group[0] for group in groups)


def infer(group: Group) -> str:
    """Return the axis of a group whose length is left to be inferred: of channels or space, if it has any."""
    return next((axis for axis in group if axis in _INFERRED), group[0])


def spell(template: str, dims: int) -> str:
    """Fill a pattern template in for 1, 2 or 3 dimensions.

    `{space}` becomes `h w`, `{k}` becomes `kh kw`, `{blocks}` becomes `(h kh) (w kw)`, `{ones}` becomes `1 1`.
    """
    space, kernel = SPACE_AXES[dims], KERNEL_AXES[dims]
    return template.format(
        space=" ".join(space),
        k=" ".join(kernel),
        blocks=" ".join(f"({s} {k})" for s, k in zip(space, kernel, strict=True)),
        ones=" ".join("1" for _ in space),
    )


def _read(side: str, whole: str) -> tuple[Group, ...]:
    # einops knows best what einops accepts; it is imported late because most commands read no pattern.
    from einops import EinopsError
    from einops.parsing import ParsedExpression

    try:
        with warnings.catch_warnings():
            # einops warns of names that Python keeps for itself; they are refused below.
            warnings.simplefilter("ignore")
            expression = ParsedExpression(side)
    except EinopsError as error:
        raise PatternError(f"{shown(whole)} is not an einops pattern: {' '.join(str(error).split())}") from None
    if expression.has_ellipsis:
        raise PatternError(f"{shown(whole)} has an ellipsis; name every axis of the weight")
    if expression.has_non_unitary_anonymous_axes:
        raise PatternError(
            f"{shown(whole)} has a number that is not 1; name the axis instead, as in 'o -> (r o), r=16'"
        )
    for name in expression.identifiers:
        if keyword.iskeyword(name) or name in _RESERVED:
            raise PatternError(
                f"{shown(whole)} calls an axis {name!r}, which einops cannot; use names such as o i kh kw"
            )
    return tuple(tuple(group) for group in expression.composition)


def _split(group: Group, length: int, axis_lengths: Mapping[str, int]) -> dict[str, int]:
    """Share the length of one group out to its axes; at most one of them may be unknown."""
    if len(group) == 1 and group[0] not in axis_lengths:
        return {group[0]: length}
    open_axes = [axis for axis in group if axis not in axis_lengths]
    if len(open_axes) > 1:
        raise PatternError(f"the lengths of {' and '.join(open_axes)} in ({' '.join(group)}) are not known")
    rest = math.prod(axis_lengths[axis] for axis in group if axis in axis_lengths)
    # Asked in this way, lengths that are formulas answer, too.
    if length % rest if open_axes else length != rest:
        spelt = ", ".join(f"{axis}={axis_lengths[axis]}" for axis in group if axis in axis_lengths)
        legal = multiples(length, rest) if open_axes else f"it must be {rest}"
        raise PatternError(f"an axis of length {length} is not ({' '.join(group)}) with {spelt or 'length 1'}; {legal}")
    return {axis: axis_lengths[axis] if axis in axis_lengths else length // rest for axis in group}


def _axes(groups: tuple[Group, ...]) -> list[str]:
    return [axis for group in groups for axis in group]


def _write(groups: tuple[Group, ...]) -> str:
    words = [group[0] if len(group) == 1 else f"({' '.join(group)})" if group else "1" for group in groups]
    return " ".join(words)
