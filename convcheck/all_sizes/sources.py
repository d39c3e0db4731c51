"""What tensors are made of: inputs, weights, constants, and what operators without a reading make of equal arguments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import islpy as isl
import sympy
from torch import Tensor

from convcheck.all_sizes.compare import difference
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.sizes import CannotProve, Size, Sizes
from convcheck.all_sizes.value import Axis, Piece, Value, axis_of, source

MOST_ENTRIES = 4096
"""A constant tensor with more entries than this that are not zero is not read."""


@dataclass
class Sources:
    """The sources of one graph."""

    sizes: Sizes
    _applied: dict[Hashable, list[tuple[tuple[Value, ...], Value]]] = field(default_factory=lambda: defaultdict(list))

    def tensor(self, name: str, shape: Sequence[Size]) -> Value:
        """Return an input or a weight. A length that is a product, or a sum of products, is cut in these."""
        return source(self.sizes, name, [self._axis(self.sizes.size(size)) for size in shape])

    def _axis(self, size: Size) -> Axis:
        if size.is_Number:
            return axis_of(size)
        return tuple(self._segment(term) for term in sorted(sympy.Add.make_args(size), key=lambda t: not t.is_Number))

    def _segment(self, size: Size) -> tuple[Size, ...]:
        number, symbols = size.as_coeff_Mul()
        if len(symbols.free_symbols) <= 1 and symbols.is_Symbol:
            return (size,)
        atoms = [one for one in sympy.Mul.make_args(symbols)]
        return (*([number] if number != 1 else []), *atoms)

    def constant(self, tensor: Tensor) -> Value:
        """Return a tensor of numbers, piece by piece. Raises CannotProve where it has too many."""
        tensor = tensor.detach()
        places = tensor.nonzero()
        if len(places) > MOST_ENTRIES:
            raise CannotProve(f"a constant tensor of {len(places)} numbers")
        by_value: dict[float, list[str]] = defaultdict(list)
        long = [axis for axis, size in enumerate(tensor.shape) if size > 1]
        for place in places.tolist():
            by_value[tensor[tuple(place)].item()].append("[" + ", ".join(str(place[axis]) for axis in long) + "]")
        axes = tuple(axis_of(sympy.Integer(size)) for size in tensor.shape)
        pieces = tuple(
            Piece(
                (0,) * tensor.dim(),
                sympy.Rational(number),
                (),
                isl.Map.from_domain(isl.Set("{ " + "; ".join(at) + " }")),
            )
            for number, at in by_value.items()
        )
        return Value(self.sizes, axes, pieces)

    def applied(self, operator: str, options: Hashable, *arguments: Value, sets: Sequence[int] = ()) -> Value:
        """Return what an operator without a reading makes of some tensors, entry by entry.

        Arguments that are equal to those of an earlier one give the same result. Along the axes `sets` an entry
        depends on all entries.
        """
        del sets
        known = self._applied[operator, options]
        for before, result in known:
            if [one.axes for one in before] == [one.axes for one in arguments] and all(
                difference(one, other) is None for one, other in zip(before, arguments, strict=True)
            ):
                return result
        first, *others = arguments
        for other in others:
            first, _ = aligned(first, other)
        number = sum(map(len, self._applied.values()))
        result = source(self.sizes, f"{operator}#{number}", first.axes)
        known.append((arguments, result))
        return result
