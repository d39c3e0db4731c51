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

MOST_ENTRIES = 300_000
"""Entries of all cases that a file makes, each counted with its defaults: 10,000 cases of 30 entries."""

LONGEST = 20_000
"""Characters of a text into which variables were put."""

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
    own = matrix if isinstance(matrix, dict) else {}
    used = {name for value in base.values() for name in variables(value)}
    problems += [
        ((*here, name), f"this variable is used nowhere; write {{{name}}} in a string, or remove it")
        for name in own
        if name not in used and name not in keys
    ]
    problems += [
        (("cases", index, name), "the matrix sets this key, too; remove one of them")
        for name in case
        if name in own and name in keys
    ]
    if isinstance(matrix, dict):
        for name in sorted(used - set(own)):
            hint = did_you_mean(name, own) if own else "there is no matrix"
            problems.append((("cases", index), f"{{{name}}} is no variable of the matrix; {hint}"))
    if problems:
        # Whatever does not hang on the matrix is judged all the same, so that no fault hides another.
        unknown = frozenset(key for key, value in base.items() if any(variables(value))) | frozenset(own)
        yield from problems
        known = {key: value for key, value in base.items() if key not in unknown}
        yield Raw(index, known, inherited - unknown, frozenset(), unknown)
        return
    yield from _combined(index, base, own, keys, inherited)


def _combined(
    index: int,
    base: Mapping[str, object],
    own: Mapping[str, list[object]],
    keys: frozenset[str],
    inherited: frozenset[str],
) -> Iterator[Raw | Problem]:
    # A value is written out once, not once in every combination.
    written = {name: [(value, _spell(value)) for value in values] for name, values in own.items()}
    swept = frozenset(own) & keys
    for combination in itertools.product(*written.values()):
        chosen = dict(zip(own, combination, strict=True))
        value = {**base, **{key: chosen[key][0] for key in swept}}
        try:
            value = {key: _substitute(entry, chosen) for key, entry in value.items()}
        except _TooLongError as error:
            yield ("cases", index), f"a text of {error} characters once its variables are put in; {LONGEST} at most"
            return
        if isinstance(base.get("name"), str) and "name" not in swept:
            # A name is text, also where it is nothing but a number of the matrix.
            value["name"] = _spell(value["name"])
        yield Raw(index, value, inherited - swept, swept)


def combinations(matrix: object) -> int:
    """Return how many cases a matrix makes, as far as it is one."""
    lists = matrix.values() if isinstance(matrix, dict) else ()
    return math.prod(len(values) for values in lists if isinstance(values, list))


def entries(value: object) -> int:
    """Return how many values there are in a value, with itself; lists of a matrix are not in the cases that they make.

    Of a matrix, its variables count alone.
    """
    if isinstance(value, dict):
        return 1 + sum(1 if key == "matrix" else entries(entry) for key, entry in value.items())
    return 1 + sum(map(entries, value)) if isinstance(value, list) else 1


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


def variables(value: object) -> Iterator[str]:
    """Yield the names of the variables in a value, at whatever depth."""
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from variables(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from variables(entry)


class _TooLongError(Exception):
    """A text that would become too long; how long, is its message."""


def _substitute(value: object, chosen: Mapping[str, tuple[object, str]]) -> object:
    """Put values in for variables; `chosen` has each as it is, and as text."""
    if isinstance(value, str):
        names = _VARIABLE.findall(value)
        if len(names) == 1 and _VARIABLE.fullmatch(value) and names[0] in chosen:
            # The string is nothing but the variable: its value keeps its type, as in `input: [1, 3, "{n}", "{n}"]`.
            return chosen[names[0]][0]
        if names and (length := len(value) + sum(len(chosen[name][1]) for name in names if name in chosen)) > LONGEST:
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
