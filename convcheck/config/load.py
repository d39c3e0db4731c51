"""Files to cases, with all faults of all files at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path as FilePath

from pydantic import ValidationError

from convcheck.config.case import Case, Expect, Tolerance, Vocabulary
from convcheck.config.claimed import claim_problems
from convcheck.config.expand import MOST_CASES, MOST_ENTRIES, Problem, Raw, combinations, entries, expand, variables
from convcheck.config.faults import problems
from convcheck.config.files import text_of
from convcheck.config.model import CASE_KEYS, CaseModel, ToleranceModel
from convcheck.config.nodes import read, write_path
from convcheck.config.weights import weight_file, weight_problems
from convcheck.errors import ConfigError, Fault, ShapeError, did_you_mean
from convcheck.layers import accept
from convcheck.results import Sides, Verdict

_TOP = ("defaults", "cases")

_MOST_FAULTY = 10_000
"""Faults after which a file is read no further, each counted in every combination that has it."""

_MOST_KEYS = 100
"""Keys of one case, known or not."""


def load(path: FilePath, shown: str, vocabulary: Vocabulary) -> list[Case]:
    """Read the cases of one file; `shown` is its name in messages.

    Raises:
        ConfigError: with every fault of the file.
    """
    document = read(text_of(path, shown), shown)
    faults = dict.fromkeys(document.faults)

    def report(where: Sequence[str | int], message: str) -> None:
        at = tuple(where)
        if not document.unread(at):
            faults[Fault(shown, *document.place(at), write_path(at), message)] = None

    for where, message in _default_problems(document.value, vocabulary):
        report(("defaults", *where), message)
    cases: list[Case] = []
    first: dict[str, int] = {}

    def take(name: str, item: Raw) -> None:
        new = name not in first
        taken = first.setdefault(name, item.index)
        if taken != item.index:
            line = document.place(("cases", taken))[0]
            report(item.written(("name",)), f"the name {name!r} is taken by the case in line {line}")
        elif not new:
            hint = "put a variable of the matrix into it, as in 'case-{p}'"
            report(item.written(("name",)), f"several combinations have the name {name!r}; {hint}")

    faulty_ones = 0
    for item in _expanded(document.value):
        if not isinstance(item, Raw):
            report(*item)
            continue
        try:
            source = f"{shown}:{document.place(('cases', item.index))[0]}"
            case = replace(_case(item, vocabulary, path.parent), source=source, config=shown)
        except _FaultyError as faulty:
            if isinstance(name := item.value.get("name"), str):
                take(name, item)
            for inner, message in faulty.problems:
                report(item.written(inner), message)
            faulty_ones += len(faulty.problems)
            if faulty_ones > _MOST_FAULTY:
                break
            continue
        take(case.name, item)
        cases.append(case)
    if faults:
        raise ConfigError(sorted(faults))
    return cases


class _FaultyError(Exception):
    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)


def _expanded(value: object) -> Iterator[Raw | Problem]:
    if not isinstance(value, dict):
        yield (), "a config is a mapping with the key 'cases'"
        return
    for key in value:
        if key not in _TOP:
            yield (key,), f"unknown key; {did_you_mean(key, _TOP, say_known='known are')}"
    defaults = value.get("defaults")
    if defaults is None:
        defaults = {}
    if not isinstance(defaults, dict):
        yield ("defaults",), "must be a mapping, such as {dtype: float32}"
        defaults = {}
    if "matrix" in defaults:
        yield ("defaults", "matrix"), "a matrix belongs to one case; move it there"
    defaults = {key: entry for key, entry in defaults.items() if key != "matrix"}
    if len(defaults) > _MOST_KEYS:
        yield ("defaults",), _many_keys(defaults)
        defaults = {}
    cases = value.get("cases")
    if not isinstance(cases, list) or not cases:
        yield ("cases",) if "cases" in value else (), "needs a list of cases, with at least one"
        return
    # Counted before any is made. A matrix that is too large by itself is told where it stands, and makes none.
    sizes = [combinations(case.get("matrix")) if isinstance(case, dict) else 0 for case in cases]
    legal = [size if size <= MOST_CASES else 0 for size in sizes]
    too_many = sum(legal) > MOST_CASES
    if too_many:
        first = next(index for index, made in enumerate(accumulate(legal)) if made > MOST_CASES)
        yield ("cases", first), f"from here on the file makes more than {MOST_CASES} cases; split it up"
    if heavy := _too_heavy(cases, defaults, legal):
        yield heavy
        return
    for index, case in enumerate(cases):
        if not isinstance(case, dict):
            yield ("cases", index), "a case is a mapping with at least the key 'layer'"
            continue
        if len(case) > _MOST_KEYS:
            yield ("cases", index), _many_keys(case)
            continue
        for item in expand(index, case, defaults, CASE_KEYS):
            yield item
            if too_many and isinstance(item, Raw):
                break


def _many_keys(mapping: Mapping[str, object]) -> str:
    return f"{len(mapping)} keys; {_MOST_KEYS} at most are read, and known are: {', '.join(sorted(CASE_KEYS))}"


def _too_heavy(cases: Sequence[object], defaults: Mapping[str, object], sizes: Sequence[int]) -> Problem | None:
    """Return where a file goes beyond MOST_ENTRIES, if it does: every combination holds all of its case anew."""
    under, total = entries(defaults), 0
    for index, (case, size) in enumerate(zip(cases, sizes, strict=True)):
        each = entries(case) + under
        total += each * size
        if total > MOST_ENTRIES:
            here = f"{size} cases of {each} entries each" if size > 1 else f"a case of {each} entries"
            told = f"{here}, with what is before, make {total} entries" if index else f"{here} make {total} entries"
            return ("cases", index), f"{told}; {MOST_ENTRIES} at most, so split the file up, or write shorter cases"
    return None


def _default_problems(value: object, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Yield what is wrong with defaults by themselves, since every case may have a value of its own in their place."""
    defaults = value.get("defaults") if isinstance(value, dict) else None
    if isinstance(defaults, dict) and len(defaults) <= _MOST_KEYS:
        plain = {key: entry for key, entry in defaults.items() if key != "matrix" and not any(variables(entry))}
        try:
            CaseModel.model_validate(plain, context=vocabulary)
        except ValidationError as error:
            yield from (each for each in problems(error) if each[0])


def _case(raw: Raw, vocabulary: Vocabulary, folder: FilePath) -> Case:
    """Return the case, or raise _FaultyError with all that is wrong with it."""
    found: list[Problem] = []
    unjudged = set(raw.unknown)
    value = raw.value
    try:
        model = CaseModel.model_validate(value, context=vocabulary)
    except ValidationError as error:
        found = [each for each in problems(error) if each[0] or "layer" not in raw.unknown]
        unjudged |= {str(path[0]) for path, _ in found if path}
        # What is right is judged together with the rest all the same, so that no fault hides another.
        value = {key: entry for key, entry in value.items() if key not in unjudged}
        if "layer" not in value:
            if isinstance(weights := value.get("weights"), dict):
                found += weight_problems(weights, folder, None)
            raise _FaultyError(found) from None
        model = CaseModel.model_validate(value, context=vocabulary)
    case = _from_model(model)
    if model.weights is not None:
        found += weight_problems(model.weights, folder, case.layer)
    if "rewrite" in unjudged:
        unjudged |= {"order", "transplant"}
    found += [each for each in _cross_checks(case, vocabulary) if each[0][0] not in unjudged]
    if found or raw.unknown:
        raise _FaultyError(found)
    return case if model.weights is None else replace(case, weights=weight_file(model.weights, folder))


def _cross_checks(case: Case, vocabulary: Vocabulary) -> Iterator[Problem]:
    try:
        accept(case.layer, case.inputs)
    except ShapeError as error:
        yield ("input",), str(error)
    yield from claim_problems(case, vocabulary)


def _from_model(model: CaseModel) -> Case:
    rewrites = model.rewrite
    params = model.expect.params
    return Case(
        name=model.name or "-".join([model.layer.label(), *(rewrites or ())]),
        layer=model.layer,
        inputs=model.input or model.layer.example_inputs(),
        rewrites=rewrites,
        order=model.order,
        transplant=model.transplant,
        dtype=model.dtype,
        device=model.device,
        seed=model.seed,
        tolerance=Tolerance(model.tolerance.atol, model.tolerance.rtol)
        if isinstance(model.tolerance, ToleranceModel)
        else None,
        expect=Expect(
            Verdict(model.expect.verdict),
            model.expect.output,
            Sides(params, params)
            if isinstance(params, int) or params is None
            else Sides(params.reference, params.candidate),
        ),
    )
