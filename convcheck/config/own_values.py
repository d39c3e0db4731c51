"""Values of a config that stand for more than a mapping: a function as a map, and weights that both sides hold."""

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


SIDES = ("reference", "candidate")
"""The keys of `weights` where both sides hold what stands in checkpoints."""


@dataclass(frozen=True)
class OwnValues:
    """What such words stand for."""

    map_by: MapFunction | None = None
    weights: bool = False
    files: Sides[str] | None = None
    """The checkpoints that hold the weights of both sides, where the sides do not hold them themselves."""

    def applied(self, case: Case, vocabulary: Vocabulary) -> tuple[Case, list[Problem]]:
        """Return a case with these values, and what makes that impossible."""
        if self.map_by is not None and case.candidate is not None:
            case = replace(case, candidate=replace(case.candidate, map_by=self.map_by))
        if self.files is not None:
            try:
                return vocabulary.load_weights(case, self.files, vocabulary.folder), []
            except ConvcheckError as error:
                return case, [(("weights",), line) for line in str(error).splitlines()]
        if not self.weights:
            return case, []
        if case.candidate is None:
            return case, [(("weights",), "own weights are compared with those of a candidate, and there is none")]
        ours, theirs = (side.held_tensors() for side in (case.layer, case.candidate.layer))
        if ours is None or theirs is None:
            text = case.layer if ours is None else case.candidate.layer
            return case, [
                (("weights",), f"{text} is text, which holds no weights of its own; write both sides as code")
            ]
        return replace(case, held=Sides(ours, theirs)), []


def checkpoints_of(weights: object) -> Sides[str] | str | None:
    """Return the checkpoints of both sides, None where `weights` is something else, or what is wrong with them."""
    if not isinstance(weights, Mapping) or "file" in weights or not set(weights) & set(SIDES):
        return None
    if set(weights) != set(SIDES) or not all(isinstance(text, str) for text in weights.values()):
        return (
            "write FILE:PREFIX under reference and candidate both, and nothing else; or `file`, and keys by parameter"
        )
    return Sides(*(weights[side] for side in SIDES))


def take_own_values(
    value: Mapping[str, object], vocabulary: Vocabulary, folder: FilePath
) -> tuple[Mapping[str, object], OwnValues, list[Problem]]:
    """Return a case's values without those that are such words, what these stand for, and what is wrong with them."""
    own, problems = OwnValues(), list[Problem]()
    files = checkpoints_of(value.get("weights"))
    if value.get("weights") != OWN and not isinstance(value.get("map"), str) and files is None:
        return value, own, problems
    rest = dict(value)
    if rest.get("weights") == OWN:
        own = replace(own, weights=True)
        del rest["weights"]
    elif files is not None:
        del rest["weights"]
        if isinstance(files, str):
            problems.append((("weights",), files))
        else:
            own = replace(own, files=files)
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
    weights = value.get("weights")
    words = {"weights": weights == OWN or checkpoints_of(weights) is not None, "map": isinstance(value.get("map"), str)}
    return {key: entry for key, entry in value.items() if not words.get(key, False)}
