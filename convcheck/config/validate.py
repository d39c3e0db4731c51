"""From one combination to a case, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import NamedTuple

from pydantic import ValidationError

from convcheck.config.case import Case, Expect, KeyPlace, Tolerance, Vocabulary
from convcheck.config.expand import variables
from convcheck.config.input_specs import needless
from convcheck.config.layout_checks import layout_problems
from convcheck.config.model import REFERENCE, CaseModel, SidesModel, ToleranceModel
from convcheck.config.nodes import Problem
from convcheck.config.own_values import take_own_values, without_own_values
from convcheck.config.replacement import Replacement, replacement_problems
from convcheck.config.sentences import sentences
from convcheck.config.weights import weight_file, weight_problems
from convcheck.errors import ShapeError
from convcheck.layers import accept
from convcheck.layers.user_code import is_code
from convcheck.results import Sides, SizesStatus, Verdict


class Origin(NamedTuple):
    """Where a case comes from; see `Case`."""

    source: str
    config: str
    places: Mapping[tuple[str, ...], KeyPlace]


def default_problems(defaults: Mapping[str, object], vocabulary: Vocabulary) -> Iterator[Problem]:
    """Yield what is wrong with defaults by themselves, since every case may have a value of its own in their place."""
    plain = without_own_values({key: entry for key, entry in defaults.items() if not any(variables(entry))})
    reference = REFERENCE in plain and "layer" not in plain
    if reference:
        plain = _renamed(plain)
    try:
        CaseModel.model_validate(plain, context=vocabulary)
    except ValidationError as error:
        problems = [problem for problem in sentences(error) if problem[0]]
        yield from _as_reference(problems) if reference else problems


def validate(
    value: Mapping[str, object], unknown: Collection[str], vocabulary: Vocabulary, folder: FilePath, origin: Origin
) -> tuple[Case | None, list[Problem]]:
    """Return the case, None if it is faulty, and all that is wrong with it.

    `unknown` are keys without a value, with which there is no case, and `folder` is where paths start.
    """
    if REFERENCE not in value and REFERENCE not in unknown:
        return _validate(value, unknown, vocabulary, folder, origin)
    if "layer" in value or "layer" in unknown:
        return None, [((REFERENCE,), "it is another name of `layer`, beside a candidate; remove one of them")]
    case, problems = _validate(_renamed(value), list(_renamed(dict.fromkeys(unknown))), vocabulary, folder, origin)
    return case, _as_reference(problems)


def _renamed(value: Mapping[str, object]) -> dict[str, object]:
    return {"layer" if key == REFERENCE else key: entry for key, entry in value.items()}


def _as_reference(problems: Iterable[Problem]) -> list[Problem]:
    return [((REFERENCE, *path[1:]) if path[:1] == ("layer",) else path, text) for path, text in problems]


def _validate(
    value: Mapping[str, object], unknown: Collection[str], vocabulary: Vocabulary, folder: FilePath, origin: Origin
) -> tuple[Case | None, list[Problem]]:
    keys = value.keys()
    value, own, problems = take_own_values(value, vocabulary, folder)
    unjudged = set(unknown)
    try:
        model = CaseModel.model_validate(value, context=vocabulary)
    except ValidationError as error:
        problems += [problem for problem in sentences(error) if problem[0] or "layer" not in unknown]
        unjudged |= {str(path[0]) for path, _ in problems if path}
        # The values without fault are still checked against one another, so that no fault hides another.
        value = {key: entry for key, entry in value.items() if key not in unjudged}
        if "layer" not in value:
            if isinstance(weights := value.get("weights"), dict):
                problems += weight_problems(weights, folder, None)
            return None, problems
        model = CaseModel.model_validate(value, context=vocabulary)
    layer_is_code = is_code(value["layer"])
    has_code = layer_is_code or is_code(value.get("candidate"))
    if layer_is_code and model.input is None:
        # Without its shape there is no case; a fault of `input` has been told.
        needed = "needs the shape of every input, since the code does not say what it takes"
        return None, problems + ([] if "input" in unjudged else [(("input",) if "input" in value else (), needed)])
    case = _case(model, origin, of_code=has_code)
    if model.weights is not None:
        problems += weight_problems(model.weights, folder, case.layer)
    case, wrong = own.applied(case, replace(vocabulary, folder=folder))
    problems += wrong
    problems += _misplaced(model, keys)
    if layer_is_code and model.candidate is None and "candidate" not in unjudged:
        problems.append((("layer",), "code is compared with a candidate of your own; name it under `candidate`"))
    if not (has_code or "candidate" in unjudged):
        unfit = needless(model.input or (), model.select, train=model.train)
        problems += [((key,), message) for key, message in unfit]
    if "rewrite" in unjudged:
        unjudged |= {"order", "transplant"}
    problems += [problem for problem in _cross_checks(case, vocabulary) if problem[0][0] not in unjudged]
    if problems or unknown:
        return None, problems
    return (case if model.weights is None else replace(case, weights=weight_file(model.weights, folder))), []


def _misplaced(model: CaseModel, value: Collection[str]) -> Iterator[Problem]:
    """Yield the keys that belong to a rewrite and stand beside a candidate, or the other way round."""
    if model.candidate is not None:
        for key in ("rewrite", "order", "transplant"):
            if key in value:
                yield (key,), "it belongs to a rewrite, and there is a candidate; say in `map` how weights move"
    else:
        for key in ("map", "layout"):
            if key in value:
                yield (key,), "it belongs to a candidate, and there is none; a rewrite has `order` and `transplant`"


def _cross_checks(case: Case, vocabulary: Vocabulary) -> Iterator[Problem]:
    try:
        if not case.layer.IS_USER_CODE:
            accept(case.layer, case.inputs)
    except ShapeError as error:
        yield ("input",), str(error)
    yield from layout_problems(case, vocabulary)
    if case.candidate is not None:
        yield from replacement_problems(case.layer, case.inputs, case.candidate)


def _case(model: CaseModel, origin: Origin, *, of_code: bool) -> Case:
    rewrites, tolerance, params = model.rewrite, model.tolerance, model.expect.params
    sizes = None if model.expect.sizes is None else SizesStatus(model.expect.sizes)
    own = () if model.candidate is None else ("as", model.candidate.label())
    specs = model.input or ()
    counts = Sides(params.reference, params.candidate) if isinstance(params, SidesModel) else Sides(params, params)
    return Case(
        name=model.name or "-".join([model.layer.label(), *own, *(rewrites or ())]),
        layer=model.layer,
        inputs=tuple(spec.shape for spec in specs) or model.layer.example_inputs(),
        input_specs=specs if of_code else (),
        select=model.select,
        train=model.train,
        rewrites=rewrites,
        order=model.order,
        transplant=model.transplant,
        candidate=Replacement(model.candidate, model.map, model.layout) if model.candidate is not None else None,
        dtype=model.dtype,
        device=model.device,
        seed=model.seed,
        tolerance=Tolerance(tolerance.atol, tolerance.rtol) if isinstance(tolerance, ToleranceModel) else None,
        all_sizes=model.sizes is not None,
        expect=Expect(Verdict(model.expect.verdict), model.expect.output, counts, sizes),
        source=origin.source,
        config=origin.config,
        places=origin.places,
    )
