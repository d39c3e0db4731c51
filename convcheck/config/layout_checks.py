"""Faults of an order or a transplant, checked against the layer alone."""

from __future__ import annotations

from collections.abc import Iterator

from convcheck.config.case import Case, Vocabulary
from convcheck.config.nodes import Problem
from convcheck.errors import PatternError, did_you_mean
from convcheck.sizes.patterns import Group, spell
from convcheck.sizes.relayouts import Operation


def layout_problems(case: Case, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Yield what makes the case's `order` or `transplant` impossible to try out."""
    if case.order is not None:
        yield from _order_problems(case, case.order, vocabulary)
    if case.transplant and case.rewrites is None:
        yield ("transplant",), "a transplant lays out the weights of one candidate; name the rewrite it is for"
    shapes = case.layer.parameters() if case.transplant else {}
    for name, relayout in case.transplant.items():
        if name not in shapes:
            yield ("transplant", name), f"{case.layer} has no such parameter; {did_you_mean(name, shapes)}"
            continue
        if cut := [str(part) for part in relayout.parts if isinstance(part, Operation) and part.name == "part"]:
            yield ("transplant", name), f"{cut[0]!r} leaves the rest behind, and there would be no way back"
            continue
        try:
            relayout.result(shapes[name], case.layer.axis_sizes())
        except PatternError as error:
            yield ("transplant", name), str(error)


def _order_problems(case: Case, axes: Group, vocabulary: Vocabulary) -> Iterator[Problem]:
    asked = case.rewrites if case.rewrites is not None else vocabulary.rewrites
    orders = [spell(vocabulary.orders[name], case.layer.dims) for name in asked if name in vocabulary.orders]
    if not orders:
        have = ", ".join(vocabulary.orders)
        yield ("order",), f"{' and '.join(asked)} lays patches out in one order only; free to choose are: {have}"
    elif sorted(axes) not in [sorted(order.split()) for order in orders]:
        legal = " or ".join(f"'{order}'" for order in dict.fromkeys(orders))
        yield ("order",), f"'{' '.join(axes)}' must name each axis of a patch once; in some order, {legal}"
