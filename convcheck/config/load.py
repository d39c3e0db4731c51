"""Files to cases, with all faults of all files at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path as FilePath

from pydantic import ValidationError

from convcheck.config.case import Case, Expect, Tolerance, Vocabulary
from convcheck.config.claimed import claim_problems
from convcheck.config.expand import MOST_CASES, Problem, Raw, combinations, expand, variables
from convcheck.config.faults import problems
from convcheck.config.files import text_of
from convcheck.config.model import CASE_KEYS, CaseModel, ToleranceModel
from convcheck.config.nodes import read, write_path
from convcheck.config.weights import weight_file, weight_problems
from convcheck.errors import ConfigError, Fault, ShapeError, did_you_mean
from convcheck.layers import accept
from convcheck.results import Sides, Verdict

_TOP = ("defaults", "cases")


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
    for item in _expanded(document.value):
        if not isinstance(item, Raw):
            report(*item)
            continue
        try:
            source = f"{shown}:{document.place(('cases', item.index))[0]}"
            case = replace(_case(item, vocabulary, path.parent), source=source, config=shown)
        except _FaultyError as faulty:
            for inner, message in faulty.problems:
                report(item.written(inner), message)
            continue
        new = case.name not in first
        taken = first.setdefault(case.name, item.index)
        if taken != item.index:
            line = document.place(("cases", taken))[0]
            report(item.written(("name",)), f"the name {case.name!r} is taken by the case in line {line}")
        elif not new:
            hint = "put a variable of the matrix into it, as in 'case-{p}'"
            report(item.written(("name",)), f"several combinations have the name {case.name!r}; {hint}")
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
    cases = value.get("cases")
    if not isinstance(cases, list) or not cases:
        yield ("cases",) if "cases" in value else (), "needs a list of cases, with at least one"
        return
    # Counted before any is made. One matrix that is too large by itself is told where it stands.
    sizes = [combinations(case.get("matrix")) if isinstance(case, dict) else 0 for case in cases]
    too_many = max(sizes) <= MOST_CASES < sum(sizes)
    if too_many:
        first = next(index for index, made in enumerate(accumulate(sizes)) if made > MOST_CASES)
        yield ("cases", first), f"from here on the file makes more than {MOST_CASES} cases; split it up"
    for index, case in enumerate(cases):
        if not isinstance(case, dict):
            yield ("cases", index), "a case is a mapping with at least the key 'layer'"
            continue
        for item in expand(index, case, defaults, CASE_KEYS):
            yield item
            if too_many and isinstance(item, Raw):
                break


def _default_problems(value: object, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Yield what is wrong with defaults by themselves, since every case may have a value of its own in their place."""
    defaults = value.get("defaults") if isinstance(value, dict) else None
    if isinstance(defaults, dict):
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
        inputs=model.input or model.layer.typical_inputs(),
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
