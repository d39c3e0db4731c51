"""From one written case to many: defaults merged under it, its matrix multiplied out."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.config.nodes import Path
from convcheck.errors import did_you_mean, shown

MOST_CASES = 10_000
"""Cases that a file may make."""

_VARIABLE = re.compile(r"\{([A-Za-z_]\w*)\}")

Problem = tuple[Path, str]


@dataclass(frozen=True)
class Raw:
    """One expanded case, not yet validated. `index` is its place in the file's list."""

    index: int
    value: dict[str, object]
    inherited: frozenset[str]
    """The keys that came from `defaults`."""
    swept: frozenset[str]
    """The keys that came from the matrix."""
    unknown: frozenset[str] = frozenset()
    """Keys whose values cannot be told because of a fault in the matrix. They are not in `value`."""

    def written(self, path: Path) -> Path:
        """Return where in the file the value at `path` of this case was written."""
        if path and path[0] in self.swept:
            return ("cases", self.index, "matrix", path[0])
        if path and path[0] in self.inherited:
            return ("defaults", *path)
        return ("cases", self.index, *path)


def merge(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay `over` on `under`; where both hold a mapping, their keys are merged in turn."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        # A layer is one value: half of a default layer under a new one would be neither.
        merged[key] = merge(below, value) if both and key != "layer" else value  # type: ignore[arg-type]
    return merged


def expand(
    index: int, case: Mapping[str, object], defaults: Mapping[str, object], keys: frozenset[str]
) -> Iterator[Raw | Problem]:
    """Yield every combination of the case's matrix, or what is wrong with it.

    `keys` are the keys that a case may have: a variable that bears the name of one sets it.
    """
    matrix = case.get("matrix")
    base = merge(defaults, {key: value for key, value in case.items() if key != "matrix"})
    inherited = frozenset(defaults) - frozenset(case)
    here: Path = ("cases", index, "matrix")
    if matrix is None:
        matrix = {}
    problems = list(_matrix_problems(here, matrix))
    variables = matrix if isinstance(matrix, dict) else {}
    used = {name for value in base.values() for name in _variables(value)}
    problems += [
        ((*here, name), f"this variable is used nowhere; write {{{name}}} in a string, or remove it")
        for name in variables
        if name not in used and name not in keys
    ]
    if isinstance(matrix, dict):
        for name in sorted(used - set(variables)):
            hint = did_you_mean(name, variables) if variables else "there is no matrix"
            problems.append((("cases", index), f"{{{name}}} is no variable of the matrix; {hint}"))
    if problems:
        # Whatever does not hang on the matrix is judged all the same, so that no fault hides another.
        unknown = frozenset(key for key, value in base.items() if any(_variables(value))) | frozenset(variables)
        yield from problems
        known = {key: value for key, value in base.items() if key not in unknown}
        yield Raw(index, known, inherited - unknown, frozenset(), unknown)
        return
    for combination in itertools.product(*variables.values()):
        chosen = dict(zip(variables, combination, strict=True))
        swept = frozenset(chosen) & keys
        value = {**base, **{key: chosen[key] for key in swept}}
        value = {key: _substitute(entry, chosen) for key, entry in value.items()}
        if isinstance(base.get("name"), str) and "name" not in swept:
            # A name is text, also where it is nothing but a number of the matrix.
            value["name"] = _spell(value["name"])
        yield Raw(index, value, inherited - swept, swept)


def combinations(matrix: object) -> int:
    """Return how many cases a matrix makes, as far as it is one."""
    lists = matrix.values() if isinstance(matrix, dict) else ()
    return math.prod(len(values) for values in lists if isinstance(values, list))


def _matrix_problems(here: Path, matrix: object) -> Iterator[Problem]:
    if not isinstance(matrix, dict):
        yield here, "must be a mapping from variables to lists, such as {p: [4, 8, 16]}"
        return
    for name, values in matrix.items():
        if not isinstance(values, list) or not values:
            yield (*here, name), "must be a list with at least one value"
        elif any(isinstance(value, float) and not math.isfinite(value) for value in values):
            yield (*here, name), "must not hold .inf or .nan"
    if (size := combinations(matrix)) > MOST_CASES:
        yield here, f"makes {shown(size)} cases; {MOST_CASES} at most, so split it up"


def _variables(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _variables(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _variables(entry)


def _substitute(value: object, chosen: Mapping[str, object]) -> object:
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole and whole[1] in chosen:
            # The string is nothing but the variable: its value keeps its type, as in `input: [1, 3, "{n}", "{n}"]`.
            return chosen[whole[1]]
        return _VARIABLE.sub(lambda match: _spell(chosen.get(match[1], match[0])), value)
    if isinstance(value, dict):
        return {key: _substitute(entry, chosen) for key, entry in value.items()}
    if isinstance(value, list):
        return [_substitute(entry, chosen) for entry in value]
    return value


def _spell(value: object) -> str:
    # Lists are written as tuples, so that kernel_size={k} reads as torch would print it.
    return f"({', '.join(_spell(entry) for entry in value)})" if isinstance(value, list) else str(value)
