"""Values of a config that are words in place of mappings: a function as a map, and `own` weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from convcheck.config.case import Case, Vocabulary
from convcheck.config.nodes import Problem
from convcheck.config.replacement import MapFunction
from convcheck.errors import ConvcheckError, shown
from convcheck.layers.user_code import parse_user_code
from convcheck.results import Sides

OWN = "own"
"""The word for `weights` that both sides hold themselves."""


@dataclass(frozen=True)
class OwnValues:
    """What such words stand for."""

    map_by: MapFunction | None = None
    weights: bool = False

    def problems(self, case: Case) -> list[Problem]:
        """Return what makes it impossible to do this with a case."""
        if not self.weights:
            return []
        if case.candidate is None:
            return [(("weights",), "own weights are compared with those of a candidate, and there is none")]
        texts = [str(side) for side in (case.layer, case.candidate.layer) if side.held_tensors() is None]
        return [
            (("weights",), f"{text} is text, which holds no weights of its own; write both sides as code")
            for text in texts[:1]
        ]

    def applied(self, case: Case) -> Case:
        """Return a case with these values."""
        if self.map_by is not None and case.candidate is not None:
            case = replace(case, candidate=replace(case.candidate, map_by=self.map_by))
        if self.weights and case.candidate is not None:
            ours, theirs = (side.held_tensors() for side in (case.layer, case.candidate.layer))
            case = replace(case, held=Sides(ours or {}, theirs or {}))
        return case


def take_own_values(
    value: Mapping[str, object], vocabulary: Vocabulary, folder: FilePath
) -> tuple[Mapping[str, object], OwnValues, list[Problem]]:
    """Return a case's values without those that are such words, what these stand for, and what is wrong with them."""
    own, problems = OwnValues(), list[Problem]()
    if value.get("weights") != OWN and not isinstance(value.get("map"), str):
        return value, own, problems
    rest = dict(value)
    if rest.get("weights") == OWN:
        own = replace(own, weights=True)
        del rest["weights"]
    if isinstance(written := rest.get("map"), str):
        del rest["map"]
        # Of a map that cannot be had, nothing else is said.
        own = replace(own, map_by=MapFunction(dict, written))
        try:
            code = parse_user_code(written)
            if code is None:
                problem = f"{shown(written)} is no code; write path/to/file.py:function, or a mapping by parameters"
                problems.append((("map",), problem))
            else:
                own = replace(own, map_by=vocabulary.load_map(code.within(folder)))
        except ConvcheckError as error:
            problems.append((("map",), str(error)))
    return rest, own, problems


def without_own_values(value: Mapping[str, object]) -> dict[str, object]:
    """Return values without those that are such words."""
    words = {"weights": value.get("weights") == OWN, "map": isinstance(value.get("map"), str)}
    return {key: entry for key, entry in value.items() if not words.get(key, False)}
