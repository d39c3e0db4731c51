"""Rows that whole numbers choose: a product with one-hot rows, which are what these numbers make.

That a number is out of range is for torch to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from convcheck.all_sizes.readers.contraction import matrix_product
from convcheck.all_sizes.readers.indexing import embedding as by_known_numbers
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import is_known


def embedding(call: Call) -> Value:
    """Rows of a weight."""
    weight, indices = call["weight"], call["indices"]
    if is_known(indices):
        return by_known_numbers(call)
    hot = one_hot(call, indices, weight)
    while weight.rank < hot.rank:
        weight = weight.with_one(0)
    if hot.rank == 1:
        return matrix_product(hot.with_one(0), weight).without_one(0)
    return matrix_product(hot, weight)


def one_hot(call: Call, indices: Value, weight: Value) -> Value:
    """Return 1 at the place that an index tells along a further axis, as long as the first one of a weight."""
    return call.sources.applied("one-hot", weight.size(0), indices, beside=(weight.axes[0],), truth=True)


READERS: Mapping[str, Reader] = {"embedding": embedding}
