"""Matrix products as operations with two inputs: torch.matmul, torch.bmm, torch.mm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.base import Layer, Roundings
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class MatMul(Layer):
    """`y[..., m, p] = sum over n of a[..., m, n] * b[..., n, p]`.

    `mm` takes [m, n] and [n, p], `bmm` takes [b, m, n] and [b, n, p], and `matmul` any leading axes that broadcast; a
    vector on either side of `matmul` is a row or a column that leaves no axis behind.
    """

    SIGNATURE = ()
    INPUT_COUNTS = (2,)

    def parameters(self) -> dict[str, Shape]:
        return {}

    def as_matrices(self, left: Shape, right: Shape) -> Shapes:
        """Return both shapes with at least two axes, the product's leading axes, and `(m, n, p)`.

        Raises:
            ShapeError: torch would not multiply them.
        """
        self._check_ranks(left, right)
        first = left if len(left) > 1 else (1, *left)
        second = right if len(right) > 1 else (*right, 1)
        if first[-1] != second[-2]:
            raise ShapeError(
                f"{self.kind} sums over the last axis of {list(left)}, which is {first[-1]}, and the "
                f"{'last but one' if len(right) > 1 else 'only'} of {list(right)}, which is {second[-2]}; "
                "they must be equal"
            )
        return first, second, self._leading(left, right, first, second), (first[-2], first[-1], second[-1])

    def _check_ranks(self, left: Shape, right: Shape) -> None:
        rank = {"mm": 2, "bmm": 3}.get(self.kind)
        for shape in (left, right):
            if rank is not None and len(shape) != rank:
                wanted = {"mm": "[m, n] and [n, p]", "bmm": "[b, m, n] and [b, n, p]"}[self.kind]
                raise ShapeError(f"{self.kind} takes {wanted}; {list(shape)} has {len(shape)} axes")

    def _leading(self, left: Shape, right: Shape, first: Shape, second: Shape) -> Shape:
        ours, theirs = first[:-2], second[:-2]
        rank = max(len(ours), len(theirs))
        lengths = []
        for a, b in zip((1,) * (rank - len(ours)) + ours, (1,) * (rank - len(theirs)) + theirs, strict=True):
            if a != b and (1 not in (a, b) or self.kind == "bmm"):
                legal = "they must be equal" if self.kind == "bmm" else "they must be equal, or one of them 1"
                raise ShapeError(
                    f"{self.kind}: the leading axes of {list(left)} and {list(right)} are {a} and {b}; {legal}"
                )
            lengths.append(max(a, b))
        return tuple(lengths)

    def output_shape(self, left: Shape, right: Shape) -> Shape:
        _, _, leading, (rows, _, columns) = self.as_matrices(left, right)
        return (*leading, *((rows,) if len(left) > 1 else ()), *((columns,) if len(right) > 1 else ()))

    def macs(self, left: Shape, right: Shape) -> int:
        _, _, leading, sizes = self.as_matrices(left, right)
        return math.prod(leading) * math.prod(sizes)

    def example_inputs(self) -> Shapes:
        return {"mm": ((3, 4), (4, 5)), "bmm": ((2, 3, 4), (2, 4, 5)), "matmul": ((2, 1, 3, 4), (2, 4, 5))}[self.kind]

    def roundings(self) -> Roundings:
        return Roundings()

    def __str__(self) -> str:
        return f"{self.kind}()"

    def label(self) -> str:
        return self.kind
