"""Files to cases, with all faults of all files at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TypeVar

from convcheck.config.case import Case, CodeLoader, KeyPlace, Vocabulary
from convcheck.config.collection import without_collection
from convcheck.config.expand import Combination, expand
from convcheck.config.file_text import read_text
from convcheck.config.nodes import Document, Problem, read, write_path
from convcheck.config.validate import Origin, default_problems, validate
from convcheck.errors import ConfigError, Fault, UntrustedError, did_you_mean, shown
from convcheck.layers import Layer
from convcheck.layers.user_code import UserCode
from convcheck.sizes.limits import MAX_ENTRIES, MAX_FAULTS

T = TypeVar("T")

_TOP = ("defaults", "cases")
_PLACED_INSIDE = ("transplant", "map")
_PLACED = (*_PLACED_INSIDE, "layout", "candidate", "order", "sizes", "expect", "device")
"""The keys of a case that a result may point at, and those of which it may point at the keys within."""


@without_collection()
def load(path: FilePath, written: str, vocabulary: Vocabulary) -> list[Case]:
    """Read the cases of one file; `written` is its name in messages.

    Raises:
        ConfigError: with every fault of the file.
    """
    folder = path.parent
    refused: dict[str, str] = {}
    load_code, load_map = _noting(vocabulary.load_code, refused), _noting(vocabulary.load_map, refused)
    vocabulary = replace(vocabulary, folder=folder, load_code=_once(load_code), load_map=load_map)
    document = read(read_text(path, written), written)
    defaults, problems = _defaults(document.value)
    problems += [(("defaults", *where), message) for where, message in default_problems(defaults, vocabulary)]
    cases: list[Case] = []
    named: list[tuple[str, Combination]] = []
    for item in _combinations(document.value, defaults):
        if not isinstance(item, Combination):
            problems.append(item)
            continue
        line, _ = document.place(("cases", item.index))
        origin = Origin(f"{written}:{line}", written, dict(_places(item, document, written)))
        case, wrong = validate(item.value, item.unknown, vocabulary, folder, origin)
        problems += [(item.written(where), message) for where, message in wrong]
        if case is not None:
            cases.append(case)
        name = item.value.get("name") if case is None else case.name
        if isinstance(name, str):
            named.append((name, item))
        if len(problems) > MAX_FAULTS:
            break
    problems += _name_problems(named, document)
    faults = {*document.faults, *_located(_trust_once(problems, refused, document), document, written)}
    if faults:
        raise ConfigError(sorted(faults))
    return cases


def _once(load: CodeLoader) -> CodeLoader:
    """Return a loader that runs the same code once, however many combinations have it."""
    loaded: dict[str, Layer] = {}

    def load_once(code: UserCode) -> Layer:
        if str(code) not in loaded:
            loaded[str(code)] = load(code)
        return loaded[str(code)]

    return load_once


def _noting(load: Callable[[UserCode], T], refused: dict[str, str]) -> Callable[[UserCode], T]:
    """Return a loader that notes the module of code that it refuses, by its message."""

    def noting(code: UserCode) -> T:
        try:
            return load(code)
        except UntrustedError as error:
            refused[str(error)] = code.module
            raise

    return noting


def _trust_once(problems: Sequence[Problem], refused: Mapping[str, str], document: Document) -> Iterator[Problem]:
    """Yield the problems, the first about trust for all others of its kind: one option is the way out of all."""
    untrusted = {problem for problem in problems if problem[1] in refused}
    in_order = sorted(untrusted, key=lambda problem: document.place(problem[0]))
    yield from (problem for problem in problems if problem[1] not in refused)
    for path, message in in_order[:1]:
        modules = ", ".join(dict.fromkeys(refused[text] for _, text in in_order))
        others = len(in_order) - 1
        values = f"{others} other value{'' if others == 1 else 's'}"
        yield path, f"{message}, as {'is' if others == 1 else 'are'} {values} here ({modules})" if others else message


def _places(item: Combination, document: Document, written: str) -> Iterator[tuple[tuple[str, ...], KeyPlace]]:
    for name in _PLACED:
        if name not in item.value:
            continue
        inner = item.value[name] if name in _PLACED_INSIDE else None
        for key in ((name,), *((name, parameter) for parameter in (inner if isinstance(inner, dict) else ()))):
            where = item.written(key)
            yield key, KeyPlace(written, *document.place(where), write_path(where))


def _located(problems: Iterable[Problem], document: Document, written: str) -> Iterator[Fault]:
    # The same fault of many combinations stands in one place.
    for path, message in dict.fromkeys(problems):
        if not document.unread(path):
            yield Fault(written, *document.place(path), write_path(path), message)


def _defaults(value: object) -> tuple[dict[str, object], list[Problem]]:
    """Return what is merged under every case, and what is wrong with it as a mapping."""
    defaults = value.get("defaults") if isinstance(value, dict) else None
    if defaults is None:
        return {}, []
    if not isinstance(defaults, dict):
        return {}, [(("defaults",), "must be a mapping, such as {dtype: float32}")]
    misplaced: Problem = (("defaults", "matrix"), "a matrix belongs to one case; move it there")
    problems = [misplaced] if "matrix" in defaults else []
    return {key: entry for key, entry in defaults.items() if key != "matrix"}, problems


def _combinations(value: object, defaults: Mapping[str, object]) -> Iterator[Combination | Problem]:
    """Yield the combinations of all cases, and what is wrong with the file as a list of cases."""
    if not isinstance(value, dict):
        yield (), "a config is a mapping with the key 'cases'"
        return
    for key in value:
        if key not in _TOP:
            yield (key,), f"unknown key; {did_you_mean(key, _TOP, say_known='known are')}"
    cases = value.get("cases")
    if not isinstance(cases, list) or not cases:
        yield ("cases",) if "cases" in value else (), "needs a list of cases, with at least one"
        return
    if problem := _size_problem(cases, defaults):
        yield problem
        return
    for index, case in enumerate(cases):
        if isinstance(case, dict):
            yield from expand(index, case, defaults)
        else:
            yield ("cases", index), "a case is a mapping with at least the key 'layer'"


def _size_problem(cases: Sequence[object], defaults: Mapping[str, object]) -> Problem | None:
    """Return where a file goes beyond MAX_ENTRIES, if it does: every combination holds all of its case anew."""
    inherited, total = _entries(defaults), 0
    for index, case in enumerate(cases):
        matrix = case.get("matrix") if isinstance(case, dict) else None
        lists = list(matrix.values()) if isinstance(matrix, dict) else []
        count = math.prod(len(values) for values in lists if isinstance(values, list))
        # A combination has one value of every variable.
        rest = {key: value for key, value in case.items() if key != "matrix"} if isinstance(case, dict) else case
        size = _entries(rest) + len(lists) + inherited
        total += size * count
        if total > MAX_ENTRIES:
            here = f"{shown(count)} cases of {size} entries each" if count > 1 else f"a case of {size} entries"
            before = ", with what is before," if index else ""
            hint = f"{MAX_ENTRIES} at most, so split the file up, or write shorter cases"
            return ("cases", index), f"{here}{before} make {shown(total)} entries; {hint}"
    return None


def _entries(value: object) -> int:
    """Return how many values there are in a value, with itself."""
    if isinstance(value, dict):
        return 1 + sum(map(_entries, value.values()))
    return 1 + sum(map(_entries, value)) if isinstance(value, list) else 1


def _name_problems(named: Iterable[tuple[str, Combination]], document: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for name, item in named:
        index = first.get(name)
        if index is None:
            first[name] = item.index
        elif index == item.index:
            hint = "put a variable of the matrix into it, as in 'case-{p}'"
            yield item.written(("name",)), f"several combinations have the name {name!r}; {hint}"
        else:
            line, _ = document.place(("cases", index))
            yield item.written(("name",)), f"the name {name!r} is taken by the case in line {line}"
