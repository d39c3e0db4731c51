"""Sources of a candidate's parameter, drawn by the shape that they make."""

from __future__ import annotations

from hypothesis import strategies as st

from convcheck.config.sources import Added, Constant, Joined, Operand, Product, Scaled, Source
from convcheck.sizes.patterns import Shape
from convcheck.sizes.relayouts import parse_relayout

HAS: dict[str, Shape] = {"a": (2, 3), "b": (2, 3), "1.weight": (3, 2), "down.0.bias": (4, 3)}
"""The reference's parameters."""

FACTORS = st.sampled_from([2.0, 0.5, -1.0, 3.0, -0.375])


def operands(shape: Shape, depth: int = 3) -> st.SearchStrategy[Operand]:
    """Draw an operand of a shape in HAS, with no more than `depth` operations in one another."""
    names: st.SearchStrategy[Operand] = st.sampled_from([name for name, has in HAS.items() if has == shape])
    if not depth:
        return names
    inner = st.deferred(lambda: operands(shape, depth - 1))
    across = st.deferred(lambda: operands((shape[1], shape[0]), depth - 1))
    several = st.lists(inner, min_size=1, max_size=2)
    choices = [
        names,
        st.builds(Scaled, inner, FACTORS),
        st.tuples(several, st.lists(st.sampled_from([Constant(0), Constant(1)]), max_size=1))
        .filter(lambda terms: len(terms[0]) + len(terms[1]) > 1)
        .map(lambda terms: Added((*terms[0], *terms[1]))),
        several.map(lambda parts: Product((("o", "x1"),) * len(parts), ("o", "x1"), tuple(parts))),
        inner.map(lambda one: Source(one, parse_relayout("o i -> o i | flip i"))),
    ]
    if shape == (4, 3):
        halves = st.lists(sources((2, 3), depth - 1), min_size=2, max_size=2)
        choices.append(halves.map(lambda parts: Joined(tuple(parts))))
    else:
        choices.append(across.map(lambda one: Source(one, parse_relayout("o i -> i o"))))
        choices.append(
            st.deferred(lambda: operands((4, 3), depth - 1)).map(
                lambda one: Source(
                    one, parse_relayout("o i -> o i | part o 2 2" if shape == (2, 3) else "o i -> i o | slice o 1 3")
                )
            )
        )
    return st.one_of(choices)


def sources(shape: Shape, depth: int = 3) -> st.SearchStrategy[Source]:
    """Draw a source that makes a shape in HAS."""
    drawn = operands(shape, depth).map(lambda operand: operand if isinstance(operand, Source) else Source(operand))
    if shape != (4, 3):
        return drawn
    return drawn | sources((2, 3), depth - 1).map(lambda part: Source(Joined((part, Source(Constant(0))))))
