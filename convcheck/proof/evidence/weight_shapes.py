"""Checks that the mapped weights have the names and shapes of the candidate's parameters."""

from __future__ import annotations

from collections.abc import Iterator

from convcheck.proof.context import Context, Evidence
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind


def examine(context: Context) -> Evidence:
    """Compare the shapes that the mapping makes with those of the candidate's parameters."""
    findings = tuple(Finding(Kind.WEIGHT_SHAPES, text) for text in misfits(context.pair))
    return Evidence(Agreement.DIFFERENT if findings else Agreement.IDENTICAL, findings)


def misfits(pair: Pair) -> Iterator[str]:
    """Yield sentences on mapped parameters whose names or shapes are not the candidate's."""
    module, gets = pair.candidate.module, pair.mapping.shapes()
    has = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    for name in sorted(has.keys() - gets.keys()):
        yield f"nothing is transplanted to {name}"
    has |= {name: tuple(statistic.shape) for name, statistic in module.named_buffers()}
    for name, shape in gets.items():
        if name not in has:
            yield f"the candidate has no parameter {name}"
        elif shape != has[name]:
            pattern = pair.mapping.describe()[name]
            yield f"'{pattern}' makes {name} {list(shape)}, and the candidate's is {list(has[name])}"
