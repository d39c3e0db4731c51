"""From one written case to its combinations: defaults merged under it, its matrix multiplied out."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.config.model import CASE_KEYS
from convcheck.config.nodes import Path, Problem
from convcheck.errors import did_you_mean
from convcheck.sizes.limits import MAX_TEXT

_VARIABLE = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Combination:
    """A case with one value for every variable, not validated yet. `index` is its case's place in the file's list."""

    index: int
    value: Mapping[str, object]
    inherited: frozenset[str]
    """The keys that came from `defaults`."""
    swept: frozenset[str] = frozenset()
    """The keys that came from the matrix."""
    unknown: frozenset[str] = frozenset()
    """Keys that are not in `value`, since a fault of the matrix hides what they are."""

    def written(self, path: Path) -> Path:
        """Return where in the file the value at `path` of this case was written."""
        if path and path[0] in self.swept:
            return ("cases", self.index, "matrix", path[0])
        if path and path[0] in self.inherited:
            return ("defaults", *path)
        return ("cases", self.index, *path)


_OTHER_NAME = {"layer": "reference", "reference": "layer"}


def expand(index: int, case: Mapping[str, object], defaults: Mapping[str, object]) -> Iterator[Combination | Problem]:
    """Yield every combination of the case's matrix.

    Where the matrix is faulty, yield what is wrong with it, and once the part of the case that does not depend on it.
    """
    # A case that names its layer needs none by default, whichever of its names stands there.
    defaults = {key: value for key, value in defaults.items() if _OTHER_NAME.get(key) not in case}
    merged = merge(defaults, {key: value for key, value in case.items() if key != "matrix"})
    inherited = frozenset(defaults) - frozenset(case)
    matrix = {} if case.get("matrix") is None else case["matrix"]
    if isinstance(matrix, dict):
        problems = list(_matrix_problems(index, case, matrix, merged))
    else:
        message = "must be a mapping from variables to lists, such as {p: [4, 8, 16]}"
        problems, matrix = [(("cases", index, "matrix"), message)], {}
    if not problems:
        yield from _combinations(index, merged, matrix, inherited)
        return
    unknown = frozenset(key for key, value in merged.items() if any(variables(value))) | frozenset(matrix)
    yield from problems
    rest = {key: value for key, value in merged.items() if key not in unknown}
    yield Combination(index, rest, inherited - unknown, unknown=unknown)


def merge(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay `over` on `under`; where both hold a mapping, their keys are merged in turn."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        # A layer is one value: half of a default layer under a new one would be neither.
        merged[key] = merge(below, value) if both and key != "layer" else value  # type: ignore[arg-type]
    return merged


def variables(value: object) -> Iterator[str]:
    """Yield the names of the variables in a value, at whatever depth."""
    if isinstance(value, str):
        if "{" in value:
            yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from variables(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from variables(entry)


def _matrix_problems(
    index: int, case: Mapping[str, object], matrix: Mapping[str, object], merged: Mapping[str, object]
) -> Iterator[Problem]:
    used = {name for value in merged.values() for name in variables(value)}
    for name, values in matrix.items():
        if not isinstance(values, list) or not values:
            yield ("cases", index, "matrix", name), "must be a list with at least one value"
        elif any(isinstance(value, float) and not math.isfinite(value) for value in values):
            yield ("cases", index, "matrix", name), "must not hold .inf or .nan"
        if name not in used and name not in CASE_KEYS:
            hint = f"write {{{name}}} in a string, or remove it"
            yield ("cases", index, "matrix", name), f"this variable is used nowhere; {hint}"
        if name in case and name in CASE_KEYS:
            yield ("cases", index, name), "the matrix sets this key, too; remove one of them"
    for name in sorted(used - set(matrix)):
        hint = did_you_mean(name, matrix) if matrix else "there is no matrix"
        yield ("cases", index), f"{{{name}}} is no variable of the matrix; {hint}"


def _combinations(
    index: int, merged: Mapping[str, object], matrix: Mapping[str, list[object]], inherited: frozenset[str]
) -> Iterator[Combination | Problem]:
    if not matrix:
        yield Combination(index, merged, inherited)
        return
    # A value is written out once, not once in every combination.
    written = {name: [(value, _spell(value)) for value in values] for name, values in matrix.items()}
    swept = frozenset(matrix) & CASE_KEYS
    # Values without variables are the same in all of them.
    varying = swept | {key for key, value in merged.items() if any(variables(value))}
    for chosen_values in itertools.product(*written.values()):
        chosen = dict(zip(matrix, chosen_values, strict=True))
        value = {**merged, **{key: chosen[key][0] for key in swept}}
        try:
            value = {key: _substitute(entry, chosen) if key in varying else entry for key, entry in value.items()}
        except _TooLongError as error:
            yield ("cases", index), f"a text of {error} characters once its variables are put in; {MAX_TEXT} at most"
            return
        if isinstance(merged.get("name"), str) and "name" not in swept:
            # A name is text, also where it is nothing but a number of the matrix.
            value["name"] = _spell(value["name"])
        yield Combination(index, value, inherited - swept, swept)


class _TooLongError(Exception):
    """A text that would become too long. The message is its length."""


def _substitute(value: object, chosen: Mapping[str, tuple[object, str]]) -> object:
    """Put values in for variables; `chosen` has each as it is, and as text."""
    if isinstance(value, str):
        names = _VARIABLE.findall(value)
        if len(names) == 1 and _VARIABLE.fullmatch(value) and names[0] in chosen:
            # The string is nothing but the variable: its value keeps its type, as in `input: [1, 3, "{n}", "{n}"]`.
            return chosen[names[0]][0]
        if names and (length := len(value) + sum(len(chosen[name][1]) for name in names if name in chosen)) > MAX_TEXT:
            raise _TooLongError(length)
        return _VARIABLE.sub(lambda match: chosen[match[1]][1] if match[1] in chosen else match[0], value)
    if isinstance(value, dict):
        return {key: _substitute(entry, chosen) for key, entry in value.items()}
    if isinstance(value, list):
        return [_substitute(entry, chosen) for entry in value]
    return value


def _spell(value: object) -> str:
    # Lists are written as tuples, so that kernel_size={k} reads as torch would print it.
    return f"({', '.join(_spell(entry) for entry in value)})" if isinstance(value, list) else str(value)
